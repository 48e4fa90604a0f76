import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeError } from '../../cli/command-error.ts';
import { type InitOptions, initialise } from '../../cli/init/initialise.ts';
import { printDefinition } from '../../cli/init/print-definition.ts';
import { ModelDefinition } from '../../core/model/define-model.ts';
import { writeNotebookData } from '../notebooks/data.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-init-'));
  vi.stubEnv('SLIPWAY_MODELS', join(folder, 'models'));
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

const file = (name: string, text: string | Buffer): string => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

/** Of made-up customers; what a column has may be replaced. */
function customers(
  change: (row: number) => Record<string, string> = () => ({}),
  { separator = ',', end = '\n', rows = 400 } = {},
): string {
  const row = (i: number): Record<string, string> => ({
    customer_id: `c${i}`,
    'signed up': `2026-${String(1 + Math.floor((i * 6) / rows)).padStart(2, '0')}-${String(1 + (i % 28)).padStart(2, '0')}T10:30:00Z`,
    plan: ['basic', 'pro', 'team'][i % 3] ?? '',
    'spend $': String((i * 37) % 100),
    age: i % 10 === 0 ? '' : String(18 + (i % 60)),
    churned: String((i * 7) % 5 === 0 ? 1 : 0),
    ...change(i),
  });
  const names = Object.keys(row(1));
  const lines = Array.from({ length: rows }, (_, i) =>
    names.map((name) => row(i)[name]).join(separator),
  );
  return [names.join(separator), ...lines, ''].join(end);
}

async function init(data: string, options: Partial<InitOptions> = {}, name = 'churn') {
  const terminal = { note: () => undefined };
  const asked = { data, label: 'churned', python: false, ...options };
  const result = await initialise(name, asked, terminal);
  return { ...result, text: readFileSync(join(folder, 'models', name, 'model.ts'), 'utf8') };
}

/** The one line that a person is told, and that nothing was written. */
async function refusal(data: string, options: Partial<InitOptions> = {}): Promise<string> {
  const error = await init(data, options).catch((caught: unknown) => caught);
  expect(error).toMatchObject({ name: 'CommandError', exitCode: 2 });
  expect(readdirSync(folder)).not.toContain('models');
  return describeError(error);
}

const definition = async (name = 'churn') => {
  const { default: found } = await import(join(folder, 'models', name, 'model.ts'));
  return ModelDefinition.parse(found);
};

describe('init', () => {
  it('writes a definition that the platform takes, from the data alone', async () => {
    const { text, guesses } = await init(file('churn.csv', customers()));
    const { data, evaluation, features, training } = await definition();
    expect(data).toMatchObject({
      label: 'churned',
      entityKey: 'customer_id',
      eventTime: 'signed up',
      columns: {
        'signed up': { type: 'timestamp', nullable: false },
        plan: { type: 'string', allowed: ['basic', 'pro', 'team'] },
        'spend $': { type: 'integer', minimum: 0 },
        age: { type: 'integer', nullable: true },
        churned: { type: 'integer', allowed: [0, 1], nullable: false },
      },
    });
    expect(evaluation).toMatchObject({ task: 'binary_classification', metric: 'auc' });
    expect(features.declared).toMatchObject({
      plan: { transform: 'categorical', column: 'plan' },
      spend: { transform: 'numeric', column: 'spend $' },
    });
    expect(training.trainer).toBe('xgboost');
    const request = readFileSync(join(folder, 'models', 'churn', 'request.json'), 'utf8');
    expect(Object.keys(JSON.parse(request).instances[0])).toEqual(
      expect.arrayContaining(['customer_id', 'signed up', 'plan']),
    );
    for (const { why } of guesses) expect(text).toContain(`// guess: ${why}`);
    expect(text).toMatch(
      /mustBeatProductionBy: 0, \/\/ guess: a later version goes live only if the lower end/,
    );
  });

  it('holds out about the latest fifth where there is a time, and whole keys where there is none', async () => {
    await init(file('churn.csv', customers()));
    const timed = (await definition()).evaluation.holdout;
    expect(timed).toMatchObject({ by: 'time' });
    const days = timed.by === 'time' ? timed.days : 0;
    expect(days).toBeGreaterThan(25);
    expect(days).toBeLessThan(45);
    const repeated = customers((i) => ({ customer_id: `c${i % 50}`, 'signed up': 'x' }));
    await init(file('keys.csv', repeated), { key: 'customer_id' }, 'keyed');
    expect((await definition('keyed')).evaluation.holdout).toEqual({
      by: 'group',
      column: 'customer_id',
      fraction: 0.2,
    });
  });

  it('takes a label that is a number for regression', async () => {
    await init(file('spend.csv', customers()), { label: 'spend $' });
    expect((await definition()).evaluation).toMatchObject({ task: 'regression', metric: 'rmse' });
  });

  const wanted = customers();
  it.each([
    ['CRLF line ends', 'a.csv', customers(undefined, { end: '\r\n' })],
    ['a byte order mark', 'a.csv', `\uFEFF${wanted}`],
    ['semicolons', 'a.csv', customers(undefined, { separator: ';' })],
    ['tabs', 'a.csv', customers(undefined, { separator: '\t' })],
    ['gzip', 'a.csv.gz', gzipSync(wanted)],
  ])('reads %s as it reads a plain file', async (_, name, text) => {
    await init(file('plain.csv', wanted), {}, 'plain');
    await init(file(name, text), {}, 'other');
    const { name: _plain, ...plain } = await definition('plain');
    const { name: _other, ...other } = await definition('other');
    expect(other).toEqual(plain);
  });

  it('reads JSON Lines with the types that they have', async () => {
    const lines = Array.from({ length: 300 }, (_, i) =>
      JSON.stringify({
        id: `a${i}`,
        size: i / 2,
        open: i % 3 === 0,
        churned: i % 2,
        ...(i % 5 ? { note: 'x' } : {}),
      }),
    );
    await init(file('a.jsonl', `${lines.join('\n')}\n`));
    expect((await definition()).data.columns).toMatchObject({
      id: { type: 'string' },
      size: { type: 'number' },
      open: { type: 'boolean' },
      note: { type: 'string', nullable: true },
    });
  });

  it('keeps a code with leading zeros as text', async () => {
    await init(
      file(
        'a.csv',
        customers((i) => ({ zip: String(i).padStart(5, '0') })),
      ),
    );
    expect((await definition()).data.columns['zip']?.type).toBe('string');
  });

  it('warns of a column that gives the label away, of numbers and of words, and of no other', async () => {
    const leaking = customers((i) => {
      const churned = (i * 7) % 5 === 0;
      return { refund: churned ? '10' : '0', state: churned ? 'closed' : 'open' };
    });
    const { warnings } = await init(file('a.csv', leaking));
    expect(warnings.map(({ column }) => column)).toEqual(['refund', 'state']);
  });

  it('warns of words that pandas reads as missing', async () => {
    const { warnings } = await init(
      file(
        'a.csv',
        customers((i) => ({ income: i % 9 === 0 ? 'NA' : String(i * 11) })),
      ),
    );
    expect(warnings.map(({ message }) => message).join()).toMatch(
      /'income' says NA.* 45 rows.*would be a number/,
    );
  });

  it('keeps the values of personal data out of the sample and the request', async () => {
    await init(
      file(
        'a.csv',
        customers((i) => ({ email: `person${i}@example.com` })),
      ),
    );
    const { data } = await definition();
    expect(data.columns['email']?.sensitive).toBe(true);
    for (const name of ['tests/sample.csv', 'request.json']) {
      expect(readFileSync(join(folder, 'models', 'churn', name), 'utf8')).not.toContain('@');
    }
  });

  it('writes rows of both classes into the sample, however rare one is', async () => {
    await init(
      file(
        'a.csv',
        customers((i) => ({ churned: i === 123 ? '1' : '0' })),
      ),
    );
    const sample = readFileSync(join(folder, 'models', 'churn', 'tests', 'sample.csv'), 'utf8');
    expect(
      new Set(
        sample
          .trim()
          .split('\n')
          .slice(1)
          .map((line) => line.at(-1)),
      ),
    ).toEqual(new Set(['0', '1']));
  });

  it('writes a train.py that names numbers and categories with --python', async () => {
    await init(file('a.csv', customers()), { python: true });
    const { features, training } = await definition();
    expect(features.inModel).toEqual(['spend $', 'age', 'plan']);
    expect(training.trainer).toBe('python');
    const program = readFileSync(join(folder, 'models', 'churn', 'train.py'), 'utf8');
    expect(program).toContain('NUMBERS = ["spend $", "age"]');
    expect(program).toContain('LABEL = "churned"');
  });

  it('writes only the columns that are asked for, and a file that has no others', async () => {
    vi.spyOn(process, 'cwd').mockReturnValue(folder);
    const wide = Array.from({ length: 10_000 }, (_, i) => `x${i}`);
    const row = (i: number) => [...wide.map((_, n) => (n * i) % 7), i % 2].join(',');
    const text = [[...wide, 'churned'].join(','), row(1), row(2), row(3), row(4)].join('\n');
    const data = file('wide.csv', text);
    expect(await refusal(data)).toMatch(/10,001 columns.*at most 1,000.*--columns 'x0,x1,x2'/);
    const { data: selected } = await init(data, { columns: ['x3', 'x1'] });
    expect(Object.keys((await definition()).data.columns)).toEqual(['x1', 'x3', 'churned']);
    expect(readFileSync(join(folder, selected), 'utf8').split('\n')[0]).toBe('x1,x3,churned');
  });
});

describe('init with a notebook', () => {
  const notebook = (name: string) => join(import.meta.dirname, '..', 'notebooks', `${name}.ipynb`);

  it('writes a model that takes the columns that the code names, with the split of the notebook', async () => {
    writeNotebookData(folder);
    const options = { label: 'damaged', key: 'strike_id', notebook: notebook('birdstrikes') };
    const { files, leftOut } = await init(join(folder, 'birdstrikes.csv'), options);
    const { features, training, evaluation, data, serving } = await definition();
    expect(features.inModel).toHaveLength(7);
    expect(features.inModel).toContain('Speed IAS in knots');
    expect(training).toMatchObject({
      trainer: 'python',
      hyperparameters: { C: 0.5, max_iter: 1000 },
    });
    expect(evaluation.holdout).toEqual({ by: 'time', days: 730 });
    expect(data.eventTime).toBe('Flight Date');
    expect(serving.target).toBe('lambda');
    expect(files).toEqual(
      expect.arrayContaining(['train.py', 'requirements.txt', 'tests/test_model.py']),
    );
    expect(leftOut.length).toBeGreaterThan(10);
    const requirements = readFileSync(join(folder, 'models', 'churn', 'requirements.txt'), 'utf8');
    expect(requirements).toMatch(/^scikit-learn==\d/m);
  });

  it('writes a definition that the formatter leaves as it is', async () => {
    writeNotebookData(folder);
    const options = { label: 'damaged', key: 'strike_id', notebook: notebook('birdstrikes') };
    const { text } = await init(join(folder, 'birdstrikes.csv'), options);
    const root = join(import.meta.dirname, '..', '..');
    const formatted = execFileSync(
      join(root, 'node_modules', '.bin', 'biome'),
      ['format', '--stdin-file-path=models/churn/model.ts'],
      { cwd: root, input: text, encoding: 'utf8' },
    );
    expect(text).toBe(formatted);
  });

  it('refuses one that cannot be read, and writes nothing', async () => {
    const data = file('churn.csv', customers());
    const broken = file('broken.ipynb', '{');
    expect(await refusal(data, { notebook: broken })).toMatch(/broken.ipynb is not a notebook/);
    expect(await refusal(data, { notebook: 'none.ipynb' })).toMatch(/there is no file none.ipynb/);
  });
});

describe('init refuses', () => {
  it.each<[string, string, Partial<InitOptions>, RegExp]>([
    [
      'a label that is not there',
      customers(),
      { label: 'Churn' },
      /no column 'Churn'; did you mean 'churned'/,
    ],
    ['a key that is not there', customers(), { key: 'id' }, /--key: the file has no column 'id'/],
    [
      'a time that is none',
      customers(),
      { time: 'plan' },
      /'plan' has values such as 'basic'.*ISO 8601/,
    ],
    [
      'a label of two words',
      customers((i) => ({ churned: i % 3 ? 'no' : 'yes' })),
      {},
      /'no' and 'yes'.*df\['churned'\] == 'yes'\)\.astype\(int\)/,
    ],
    [
      'a label of many words',
      customers((i) => ({ churned: `because ${i}` })),
      {},
      /text with 400 different values/,
    ],
    ['one class', customers(() => ({ churned: '1' })), {}, /every row has '1' in 'churned'/],
    [
      'classes that are not 0 and 1',
      customers((i) => ({ churned: String(1 + (i % 2)) })),
      {},
      /two values, 1 and 2.*== 2\)\.astype\(int\)/,
    ],
    [
      'rows without a label',
      customers((i) => ({ churned: i % 4 ? String(i % 2) : '' })),
      {},
      /missing in 100 of 400 rows.*dropna/,
    ],
    ['an empty file', '', {}, /is empty; write it again/],
    ['a header without rows', 'a,churned\n', {}, /has a header and no rows/],
    [
      'a header that names a column twice',
      'a,a,churned\n1,2,0\n',
      {},
      /names the column 'a' twice/,
    ],
    ['a row of another form', 'a,churned\n1,0\n1,2,3\n1,1\n', {}, /1 row has not the form.*line 3/],
  ])('%s', async (_, text, options, message) => {
    expect(await refusal(file('a.csv', text), options)).toMatch(message);
  });

  it('a file that is not there, of no known form, or not text', async () => {
    expect(await refusal(join(folder, 'none.csv'))).toMatch(/there is no file/);
    expect(await refusal(file('a.xlsx', 'x'))).toMatch(/unknown format/);
    expect(await refusal(file('a.json', '[]'))).toMatch(
      /as JSON Lines.*orient='records', lines=True/,
    );
    expect(await refusal(file('a.csv', Buffer.from([97, 0xff, 0xc3, 0x28])))).toMatch(/not UTF-8/);
  });

  it('a name that is none, and a model that is there already', async () => {
    const data = file('a.csv', customers());
    await expect(init(data, {}, 'No_Name')).rejects.toThrow(/no name for a model/);
    await init(data);
    const before = readFileSync(join(folder, 'models', 'churn', 'model.ts'), 'utf8');
    await expect(init(data)).rejects.toThrow(/is a folder .*churn already/);
    expect(readFileSync(join(folder, 'models', 'churn', 'model.ts'), 'utf8')).toBe(before);
    expect(readdirSync(join(folder, 'models'))).toEqual(['churn']);
  });
});

describe('the definition that is written', () => {
  it('says the same value, whatever characters it has', () => {
    const value = {
      "it's": 'a "word"',
      'back\\slash': ['x\ny', 'both \' and "'],
      plain: { deep: [1, 10_000, -2.5, true] },
    };
    const text = printDefinition(value, [{ path: 'plain.deep', why: 'because' }]);
    expect(new Function(`return (${text})`)()).toEqual(value);
    expect(text).toContain('// guess: because');
  });
});
