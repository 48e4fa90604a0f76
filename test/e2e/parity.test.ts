// A notebook's predictions against the version that is live: equal, and with a fill value that only the notebook has.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { root } from './command-line.ts';
import { type Laptop, startLaptop, until } from './laptop.ts';
import { modelsFolder, parcels, trainingCsv } from './parcels.ts';

const model = 'parcel-compared';
const compared = 1_300;
const weighsNothing = (row: number): boolean => row % 26 === 3;

let folder: string;
let models: string;
let laptop: Laptop;
let data: string;

const file = (name: string): string => join(folder, name);

/** What the notebook predicted, computed by Python with another fill of missing weights. */
function notebook(name: string, ...fill: string[]): string {
  const python = join(root, '.venv', 'xgboost', 'bin', 'python');
  const script = join(import.meta.dirname, 'notebook_predictions.py');
  execFileSync(python, [script, file('version'), data, file(name), ...fill]);
  return file(name);
}

const loggedRows = async (): Promise<{ purpose?: string }[]> => {
  const keys = await laptop.data.keys(`predictions/${model}/`);
  const texts = await Promise.all(keys.map((key) => laptop.data.text(key)));
  return texts.flatMap((text) =>
    text
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line)),
  );
};

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-parity-'));
  models = modelsFolder([model]);
  data = file('rows.csv');
  const rows = parcels(compared, 'N').map(({ parcel }, row) => ({
    ...parcel,
    weight: weighsNothing(row) ? '' : parcel.weight,
  }));
  writeFileSync(
    data,
    [
      'parcel_id,sent_at,weight,depot',
      ...rows.map((row) => `${row.parcel_id},${row.sent_at},${row.weight},${row.depot}`),
      '',
    ].join('\r\n'),
  );
  laptop = await startLaptop(models);
  const training = file('training.csv');
  writeFileSync(training, trainingCsv(2_000));
  const { code, stdout, stderr } = await laptop.cli('drop', model, training, '--wait');
  expect(code, stdout + stderr).toBe(0);
  const downloaded = await laptop.cli('download', model, '1', '--to', file('version'));
  expect(downloaded.code, downloaded.stderr).toBe(0);
});

afterAll(async () => {
  await laptop?.stop();
  rmSync(folder, { recursive: true, force: true });
  rmSync(models, { recursive: true, force: true });
});

describe('a version that was never compared with its notebook', () => {
  it('says so wherever it is shown', async () => {
    for (const args of [['models'], ['live', model], ['status', model], ['lineage', model]]) {
      const { stdout } = await laptop.cli(...args);
      expect(stdout, args.join(' ')).toContain('no parity check yet');
    }
  });
});

describe('slipway parity', () => {
  it('finds equal what the notebook computed from the same rows, and keeps the verdict', async () => {
    const { code, stdout, stderr } = await laptop.cli(
      'parity',
      model,
      notebook('equal.csv'),
      '--data',
      data,
    );
    expect(code, stdout + stderr).toBe(0);
    expect(stdout).toMatch(
      /EQUAL: version 1 of parcel-compared predicts what the notebook predicted/,
    );
    expect(stdout).toMatch(/column proba, rows by parcel_id/);
    const { parity } = await laptop.json('live', model);
    expect(parity).toMatchObject({
      verdict: 'equal',
      kind: 'trees',
      answeredBy: 'endpoint',
      rows: { compared, different: 0, refused: 0, leftOut: 0 },
    });
    expect(parity.maximumDifference).toBeLessThanOrEqual(1e-6);
    expect((await laptop.cli('models')).stdout).toContain('equal to the notebook on 1,300 rows');
  });

  it('names the rows of a skew that was planted, and what they have in common', async () => {
    const predictions = notebook('filled.csv', '35');
    const { code, stdout } = await laptop.cli(
      'parity',
      model,
      predictions,
      '--data',
      data,
      '--json',
    );
    expect(code).toBe(6);
    const found = JSON.parse(stdout);
    const planted = Array.from({ length: compared }, (_, row) => row).filter(weighsNothing);
    expect(found).toMatchObject({
      verdict: 'different',
      rows: { compared, different: planted.length },
      explanation: `in all ${planted.length} rows that differ, weight is missing; in no other row`,
    });
    const names = new Set(planted.map((row) => `N-${row}`));
    expect(found.worst).toHaveLength(10);
    for (const { key } of found.worst) expect(names).toContain(key);
    for (const args of [['models'], ['live', model], ['status', model], ['lineage', model]]) {
      const { stdout: shown } = await laptop.cli(...args);
      expect(shown, args.join(' ')).toContain('differs from the notebook on 50 of 1,300 rows');
    }
  });

  it('asks a version that is not live by its artifacts, with the same result', async () => {
    expect((await laptop.cli('retire', model, '--reason', 'to be asked while it rests')).code).toBe(
      0,
    );
    const args = [file('equal.csv'), '--data', data, '--version', '1'];
    const { code, stdout } = await laptop.cli('parity', model, ...args, '--json');
    expect(code, stdout).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ answeredBy: 'artifacts', verdict: 'equal' });
    expect((await laptop.cli('rollback', model, '--to', '1', '--reason', 'rested')).code).toBe(0);
  });

  it('is kept apart from traffic: logged, and counted by no check of drift', async () => {
    const logged = await until(async () => {
      const rows = await loggedRows();
      return rows.length >= 2 * compared ? rows : undefined;
    }, 1_000);
    expect(new Set(logged.map(({ purpose }) => purpose))).toEqual(new Set(['parity']));
    const newest = async () => {
      const keys = await laptop.data.keys(`reports/${model}/drift/`);
      return keys
        .filter((key) => key.endsWith('.json'))
        .sort()
        .at(-1);
    };
    const before = (await newest()) ?? '';
    const key = await until(async () => {
      const found = await newest();
      return found !== undefined && found > before ? found : undefined;
    }, 1_000);
    expect(await laptop.data.json(key)).toMatchObject({ rows: 0, unreadable: 0 });
  });
});
