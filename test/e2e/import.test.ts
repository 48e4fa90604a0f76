// Models that were trained elsewhere, brought along as a user brings them: a file and one command.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modelPython } from '../../config/model-python.ts';
import { defineModel, type ModelDefinitionInput } from '../../core/model/define-model.ts';
import { root } from './command-line.ts';
import { type Laptop, startLaptop } from './laptop.ts';

const rows = [
  { plan: 'gold', age: 70.5, income: 60_000 },
  { plan: 'basic', age: 31, income: 20_500.25 },
  { plan: 'never seen', age: 55, income: 49_999 },
];

const definition = (
  name: string,
  how: Pick<ModelDefinitionInput, 'features' | 'training'> & Partial<ModelDefinitionInput>,
): ModelDefinitionInput => ({
  name,
  data: {
    columns: {
      plan: { type: 'string' },
      age: { type: 'number', minimum: 0 },
      income: { type: 'number', minimum: 0 },
      left: { type: 'integer', allowed: [0, 1] },
    },
    label: 'left',
  },
  evaluation: {
    task: 'binary_classification',
    metric: 'auc',
    holdout: { by: 'group', column: 'age', fraction: 0.2 },
    mustBeatBaselineBy: 0.01,
  },
  serving: { target: 'lambda' },
  delivery: { approval: 'automatic' },
  ...how,
});
const stock = definition('leaves-stock', {
  features: {
    declared: {
      age: { transform: 'numeric', column: 'age' },
      income: { transform: 'numeric', column: 'income' },
    },
  },
  training: { trainer: 'xgboost' },
});
const own = definition('leaves-own', {
  features: { inModel: ['plan', 'age', 'income'] },
  training: { trainer: 'python' },
});
const contained = definition('leaves-contained', {
  features: { inModel: ['plan', 'age', 'income'] },
  training: { trainer: 'python' },
  serving: { target: 'container', memoryMb: 1_024 },
});
const trainPy = `from sklearn.linear_model import LogisticRegression


def train(data, hyperparameters):
    return LogisticRegression().fit(data[["age", "income"]], data["left"])
`;

let folder: string;
let laptop: Laptop;
let pythonOfOwn: string;

function write(input: ModelDefinitionInput): string {
  const model = join(folder, 'models', input.name);
  mkdirSync(model, { recursive: true });
  writeFileSync(join(model, 'model.ts'), `export default ${JSON.stringify(defineModel(input))};\n`);
  return model;
}

/** A file made by a library of its own, and what that library predicts for the rows. */
function make(python: string, kind: string, name: string) {
  const path = join(folder, name);
  const script = join(import.meta.dirname, 'import_models.py');
  const output = execFileSync(python, [script, kind, path, JSON.stringify(rows)]);
  return { path, expected: JSON.parse(output.toString()) as number[] };
}

async function predictions(model: string, instances: readonly object[]): Promise<number[]> {
  const { token } = await laptop.json('token');
  const reply = await fetch(`${laptop.api}/v1/models/${model}:predict`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ instances }),
  });
  expect(reply.status, await reply.clone().text()).toBe(200);
  return ((await reply.json()) as { predictions: number[] }).predictions;
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-import-'));
  write(stock);
  for (const input of [own, contained]) {
    const model = write(input);
    writeFileSync(join(model, 'train.py'), trainPy);
    writeFileSync(join(model, 'requirements.txt'), '');
  }
  laptop = await startLaptop(join(folder, 'models'));
  const ownFolder = join(folder, 'models', own.name);
  const python = modelPython({ definition: defineModel(own), folder: ownFolder });
  pythonOfOwn = join(python?.environment ?? '', 'bin', 'python');
});

afterAll(async () => {
  await laptop?.stop();
  rmSync(folder, { recursive: true, force: true });
});

const farthest = (found: readonly number[], expected: readonly number[]): number =>
  Math.max(...expected.map((value, i) => Math.abs(value - (found[i] ?? Number.NaN))));

describe('a file of XGBoost', () => {
  it('is live after one command, and answers as XGBoost does', async () => {
    const python = join(root, '.venv', 'xgboost', 'bin', 'python');
    const { expected, path } = make(python, 'xgboost', 'leaves.json');
    const said = ['--trained-by', 'grace', '--declare', 'data=customers of 2025'];
    const { code, stdout, stderr } = await laptop.cli(
      'import',
      stock.name,
      path,
      '--wait',
      ...said,
    );
    expect(code, stdout + stderr).toBe(0);
    const instances = rows.map(({ age, income }) => ({ age, income }));
    expect(farthest(await predictions(stock.name, instances), expected)).toBeLessThan(1e-6);

    const lineage = (await laptop.cli('lineage', stock.name, '--verify')).stdout;
    expect(lineage).toMatch(/its lineage is declared, not sealed/);
    expect(lineage).toMatch(/trained by: grace/);
    expect(lineage).toMatch(/which data\n.*declared: customers of 2025/);
    expect(lineage).toMatch(/which code\n.*unknown/);
    expect(lineage).toMatch(/All \d+ hashes agree/);
    expect((await laptop.cli('models')).stdout).toMatch(
      /v1 \(live\) \(imported, lineage declared\)/,
    );
  });

  it('is the same version when it is imported again', async () => {
    const path = join(folder, 'leaves.json');
    const again = await laptop.json('import', stock.name, path, '--wait');
    expect(again).toMatchObject({
      outcome: 'unchanged',
      reasons: ['the same file, definition and code are version 1'],
    });
  });
});

describe('a pickle', () => {
  it('that runs a command is refused by what it names, before anything of it runs', async () => {
    const { path } = make(pythonOfOwn, 'malicious', 'harm.pkl');
    const { code, stdout, stderr } = await laptop.cli('import', own.name, path, '--wait');
    expect(code, stdout + stderr).toBe(1);
    expect(stdout + stderr).toMatch(/(posix|os)\.system/);
    expect(existsSync(`${path}.ran`)).toBe(false);
    expect((await laptop.json('live', own.name)).version).toBeNull();
  });

  it('of a whole scikit-learn pipeline answers as scikit-learn does, text columns and all', async () => {
    const { expected, path } = make(pythonOfOwn, 'sklearn', 'leaves.joblib');
    const { code, stdout, stderr } = await laptop.cli('import', own.name, path, '--wait');
    expect(code, stdout + stderr).toBe(0);
    expect(farthest(await predictions(own.name, rows), expected)).toBeLessThan(1e-5);
  });

  it('is served by a container as it is, where the model says so', async () => {
    const { expected, path } = make(pythonOfOwn, 'sklearn', 'contained.joblib');
    const { code, stdout, stderr } = await laptop.cli('import', contained.name, path, '--wait');
    expect(code, stdout + stderr).toBe(0);
    expect(farthest(await predictions(contained.name, rows), expected)).toBeLessThan(1e-6);
    expect((await laptop.cli('lineage', contained.name)).stdout).toMatch(/model\.tar\.gz/);
  });
});
