import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ApiReply } from '../../cli/api-client.ts';
import { type Answer, type Ask, answersOf, askEndpoint } from '../../cli/parity/ask-version.ts';
import { wrongInputOf } from '../../cli/parity/compare-with-notebook.ts';
import { parityInShort } from '../../cli/parity/describe-parity.ts';
import type { NotebookFiles } from '../../cli/parity/notebook-files.ts';
import { readNotebookRows } from '../../cli/parity/notebook-rows.ts';
import type { ParityCheck } from '../../core/inference/parity/parity-check.ts';
import { signature as signatureOf } from '../builders/model-version.ts';

const signature = signatureOf();
let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-parity-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

let files = 0;
function file(...lines: string[]): string {
  files += 1;
  const path = join(folder, `file-${files}.csv`);
  writeFileSync(path, `${lines.join('\n')}\n`);
  return path;
}
const read = (given: NotebookFiles) => readNotebookRows(given, signature);

describe("the notebook's rows", () => {
  it('come from one file where it has all inputs, and are named by the entity key', async () => {
    const predictions = file(
      'parcel_id,length,items,y_pred',
      'A,10.5,3,0.25',
      'B,20,,0.5',
      'C,1,1,',
    );
    expect(await read({ predictions })).toEqual({
      column: 'y_pred',
      key: 'parcel_id',
      keys: ['A', 'B'],
      expected: [0.25, 0.5],
      labels: [],
      inputs: { length: [10.5, 20], items: [3, null] },
      rowsWithoutPrediction: 1,
    });
  });

  it('are named by their place where nothing else names them', async () => {
    const predictions = file('length;items;prediction', '1;2;0.1', '3;4;0.2');
    expect(await read({ predictions })).toMatchObject({ key: null, keys: ['row 1', 'row 2'] });
  });

  it('are joined with a file of inputs, and what is not joined is named', async () => {
    const predictions = file(
      'parcel_id,proba',
      'B,0.2',
      'X,0.3',
      'A,0.1',
      'D,0.4',
      'D,0.5',
      ',0.6',
    );
    const data = file('parcel_id,length,items,sent', 'A,1,1,', 'B,2,,', 'C,3,3,', 'D,4,4,');
    expect(await read({ predictions, data })).toMatchObject({
      keys: ['B', 'A'],
      expected: [0.2, 0.1],
      inputs: { length: [2, 1], items: [null, 1] },
      join: {
        predictions: { repeated: ['D'], unmatched: ['X'], rowsWithoutKey: 1 },
        data: { repeated: [], unmatched: ['C'], rowsWithoutKey: 0 },
      },
    });
  });

  it('take a key that the model does not know, where both files share one such column', async () => {
    const predictions = file('row_no,score', '7,0.2', '8,0.1');
    const data = file('row_no,length,items', '8,1,1', '7,2,2');
    expect(await read({ predictions, data })).toMatchObject({
      key: 'row_no',
      keys: ['7', '8'],
      inputs: { length: [2, 1] },
    });
  });

  it('bring labels however they are written', async () => {
    const predictions = file(
      'length,items,p,late',
      '1,1,0.5,True',
      '2,2,0.5,0',
      '3,3,0.5,1.0',
      '4,4,0.5,',
    );
    expect((await read({ predictions, label: 'late' })).labels).toEqual([1, 0, 1, null]);
  });

  it('are refused with what is wrong, the value and the fix', async () => {
    const complete = ['length,items,p', '1,1,0.5'];
    const wrong: [NotebookFiles, RegExp][] = [
      [{ predictions: join(folder, 'none.csv') }, /there is no file/],
      [{ predictions: folder }, /is not a file/],
      [{ predictions: file('') }, /no rows/],
      [
        { predictions: file('id,p', '1,0.5') },
        /lacks 2 of the model's 2 columns: length, items; name the file that has the rows with --data/,
      ],
      [
        { predictions: file('length,items,a,b', '1,1,1,1') },
        /Name it with --column; the file has length, items, a, b/,
      ],
      [
        { predictions: file(...complete), column: 'q' },
        /there is no column 'q'; the file has length, items, p/,
      ],
      [
        { predictions: file('p', '0.5'), data: file('length,items', '1,1') },
        /Name it with --key; both files have: none in common/,
      ],
      [
        { predictions: file('id,p', '1,0.5'), data: file('length,items', '1,1'), key: 'id' },
        /no column 'id' to join by; it has length, items/,
      ],
      [
        { predictions: file('length,items,p', '1,1,high') },
        /1 row\(s\) whose p is not of the type number, the first is 'high' in row 1/,
      ],
      [
        { predictions: file(...complete), label: 'late' },
        /no file has the column 'late' that --label names/,
      ],
    ];
    for (const [given, message] of wrong) {
      await expect(read(given), String(message)).rejects.toMatchObject({
        exitCode: 2,
        message: expect.stringMatching(message),
      });
    }
  });
});

const note = () => undefined;
const rows = (count: number) => ({
  keys: Array.from({ length: count }, (_, row) => `k${row}`),
  inputs: {
    length: Array.from({ length: count }, (_, row) => row),
    items: Array.from({ length: count }, () => null),
  },
});
type Instance = { readonly length: number };
const instancesIn = (body: string): Instance[] => JSON.parse(body).instances;

describe('asking a version', () => {
  it('sends every row once, in requests of some hundred', async () => {
    const sizes: number[] = [];
    const ask: Ask = async (body) => {
      const instances = instancesIn(body);
      sizes.push(instances.length);
      return { predictions: instances.map(({ length }) => length / 2), version: 3 };
    };
    const { actual, refused } = await answersOf(ask, 3, rows(1_203), signature.inputs, { note });
    expect(actual).toEqual(Array.from({ length: 1_203 }, (_, row) => row / 2));
    expect(refused.size).toBe(0);
    expect(sizes).toEqual([500, 500, 203]);
  });

  it('notes the rows that are refused and asks about the others without them', async () => {
    const ask: Ask = async (body): Promise<Answer> => {
      const instances = instancesIn(body);
      const wrong = instances
        .flatMap(({ length }, i) => (length % 100 === 7 ? [i] : []))
        .slice(0, 2);
      return wrong.length > 0
        ? {
            refused: wrong
              .map((i) => `instances[${i}].length: must be less; instances[${i}].items: too`)
              .join('; '),
          }
        : { predictions: instances.map(({ length }) => length), version: 1 };
    };
    const { actual, refused } = await answersOf(ask, 1, rows(600), signature.inputs, { note });
    expect([...refused]).toEqual(
      [7, 107, 207, 307, 407, 507].map((row) => [row, 'length: must be less']),
    );
    for (const [row, value] of actual.entries()) {
      expect(value).toBe(row % 100 === 7 ? Number.NaN : row);
    }
  });

  it('ends where no row is named, and where another version answers', async () => {
    const all = (ask: Ask) => answersOf(ask, 1, rows(3), signature.inputs, { note });
    await expect(all(async () => ({ refused: 'the body is no JSON' }))).rejects.toThrow(/no JSON/);
    await expect(all(async () => ({ predictions: [1, 2, 3], version: 2 }))).rejects.toThrow(
      /version 2 answered, and version 1 was live before.*run the command again/,
    );
  });

  it('says what it asks for, and asks again where the endpoint is only busy', async () => {
    const sent: unknown[] = [];
    const replies = [
      { status: 429, body: {} },
      { status: 503, body: {} },
      {
        status: 200,
        body: { predictions: [0.5, { prediction: 0.25, why: 'x' }], model_version: '4' },
      },
    ] as ApiReply[];
    const post = async (...request: unknown[]) => {
      sent.push(request);
      return replies[sent.length - 1] as ApiReply;
    };
    expect(await askEndpoint({ post }, 'parcel-weight', 0)('{}')).toEqual({
      predictions: [0.5, 0.25],
      version: 4,
    });
    expect(sent).toHaveLength(3);
    expect(sent[2]).toEqual([
      '/v1/models/parcel-weight:predict',
      '{}',
      { 'x-slipway-purpose': 'parity' },
    ]);
    const fails = async () => ({ status: 403, body: { message: 'Forbidden' } }) as ApiReply;
    await expect(askEndpoint({ post: fails }, 'm', 0)('{}')).rejects.toThrow(
      /answered 403.*Forbidden/,
    );
  });
});

describe('a file that says nothing about the version', () => {
  const rowsOf = (compared: number, refused: number, leftOut: number) => ({
    ...{ compared, refused, leftOut },
    different: 0,
  });
  const none = { text: 'in all 3 rows that differ, age is missing', isOfInput: false };

  it('is one of which less than half is joined or taken, or whose numbers are no predictions', () => {
    expect(wrongInputOf(rowsOf(49, 1, 51), none)).toMatch(/^only 50 of 101 rows/);
    expect(wrongInputOf(rowsOf(4, 5, 0), none)).toMatch(/refuses 5 of 9 rows/);
    const classes = { text: 'the notebook has 0 and 1 only', isOfInput: true };
    expect(wrongInputOf(rowsOf(10, 0, 0), classes)).toBe('the notebook has 0 and 1 only');
  });

  it('is no other', () => {
    expect(wrongInputOf(rowsOf(50, 0, 50), none)).toBeUndefined();
    expect(wrongInputOf(rowsOf(5, 5, 0), none)).toBeUndefined();
  });
});

describe('a check in short', () => {
  const check = (changes: Partial<ParityCheck>): ParityCheck => ({
    ...{
      model: 'm',
      version: 1,
      checkedAt: '2026-01-01T00:00:00.000Z',
      by: 'ada',
      answeredBy: 'endpoint',
    },
    predictions: { name: 'p.csv', sha256: '0'.repeat(64) },
    kind: 'trees',
    rows: { compared: 1_000, different: 0, refused: 0, leftOut: 0 },
    ...{
      maximumDifference: 0,
      maximumRelativeDifference: 0,
      flips: 0,
      verdict: 'equal',
      reasons: [],
    },
    ...changes,
  });

  it('says that there is none, that it is equal, and on how many rows it is not', () => {
    expect(parityInShort(undefined)).toBe('no parity check yet');
    expect(parityInShort(check({}))).toBe('equal to the notebook on 1,000 rows');
    const rowsOf = { compared: 1_000, different: 37, refused: 3, leftOut: 0 };
    expect(parityInShort(check({ verdict: 'different', rows: rowsOf }))).toBe(
      'differs from the notebook on 40 of 1,003 rows',
    );
    const reasons = ['auc moved by 0.01, and 0.001 is allowed'];
    expect(parityInShort(check({ verdict: 'different', kind: 'quantised', reasons }))).toMatch(
      /auc moved/,
    );
  });
});
