// Three notebooks, each as somebody wrote it, from .ipynb and CSV to live by commands alone.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { modelPython } from '../../config/model-python.ts';
import { readModelFolders } from '../../config/models.ts';
import { writeNotebookData } from '../notebooks/data.ts';
import { root, slipway } from './command-line.ts';
import { type Laptop, startLaptop } from './laptop.ts';

interface Story {
  readonly model: string;
  readonly notebook: string;
  readonly label: string;
  readonly key: string;
}

/** A pipeline of scikit-learn; pandas features and XGBoost; PyTorch on text. */
const stories: readonly Story[] = [
  { model: 'bird-strikes', notebook: 'birdstrikes', label: 'damaged', key: 'strike_id' },
  { model: 'late-flights', notebook: 'flights', label: 'late', key: 'flight_id' },
  { model: 'comedies', notebook: 'movies', label: 'comedy', key: 'movie_id' },
];
/** The second notebook once more, with another fill value where it answers. */
const skewed: Story = { ...(stories[1] as Story), model: 'skewed-flights' };

let folder: string;
let models: string;
let laptop: Laptop | undefined;
const told: string[] = [];

const notebookFile = ({ notebook }: Story) => join(root, 'test', 'notebooks', `${notebook}.ipynb`);
const dataFile = ({ notebook }: Story) => join(folder, `${notebook}.csv`);

/** Runs a command as a user does; tells what it took. */
async function command(...args: string[]) {
  const startedAt = performance.now();
  const finished =
    laptop && !['init', 'test'].includes(args[0] ?? '') && !args.includes('--sample')
      ? await laptop.cli(...args)
      : await slipway(...args);
  const seconds = (performance.now() - startedAt) / 1_000;
  told.push(`${seconds.toFixed(1).padStart(6)} s  slipway ${args.join(' ')}`);
  return { ...finished, seconds };
}

async function succeed(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await command(...args);
  expect(code, `slipway ${args.join(' ')}\n${stdout}\n${stderr}`).toBe(0);
  return stdout;
}

const init = (story: Story) =>
  succeed(
    'init',
    story.model,
    ...['--data', dataFile(story)],
    ...['--label', story.label],
    ...['--key', story.key],
    ...['--notebook', notebookFile(story)],
  );

/** What the notebook itself writes, in the Python of its model. */
async function runNotebook(story: Story): Promise<void> {
  const folders = await readModelFolders(process.env);
  const own = folders.find(({ definition }) => definition.name === story.model);
  const python = own && modelPython(own);
  if (!python) throw new Error(`${story.model} has no Python of its own`);
  execFileSync(
    join(python.environment, 'bin', 'python'),
    [join(root, 'test', 'notebooks', 'run_notebook.py'), notebookFile(story)],
    { cwd: folder, stdio: 'pipe' },
  );
}

const parity = ({ model, notebook, key, ...story }: Story) =>
  command(
    'parity',
    model,
    join(folder, `${notebook}_predictions.csv`),
    ...['--data', dataFile({ model, notebook, key, ...story })],
    ...['--key', key, '--json'],
  );

function edit(path: string, from: string, to: string): void {
  const text = readFileSync(path, 'utf8');
  expect(text).toContain(from);
  writeFileSync(path, text.replace(from, to));
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-notebooks-'));
  models = join(folder, 'models');
  process.env['SLIPWAY_MODELS'] = models;
  writeNotebookData(folder);
});

afterAll(async () => {
  await laptop?.stop();
  delete process.env['SLIPWAY_MODELS'];
  rmSync(folder, { recursive: true, force: true });
  console.log(told.join('\n'));
});

/** What init wrote, as the platform reads it. */
async function definitionOf(model: string) {
  const folders = await readModelFolders(process.env);
  const found = folders.find(({ definition }) => definition.name === model);
  if (!found) throw new Error(`there is no model ${model}`);
  return found.definition;
}

describe('before there is a cloud', () => {
  it.each(stories)('$model is written from its notebook', async (story) => {
    await init(story);
    const { features, serving } = await definitionOf(story.model);
    expect(features.inModel?.length).toBeGreaterThan(0);
    expect(serving.target).toBe(story.notebook === 'birdstrikes' ? 'lambda' : 'container');
  });

  it.each(stories)('the tests of $model pass as they were written', async ({ model }) => {
    await succeed('test', model);
  });

  it.each(stories)('$model trains on a sample', async ({ model }) => {
    await succeed('train', model, '--sample', '1000');
  });
});

describe('in the cloud of this machine', () => {
  beforeAll(async () => {
    // Planted: one fill value of the notebook is another one where the model answers, and only there.
    await init(skewed);
    edit(
      join(models, skewed.model, 'train.py'),
      '    X_test = data[feature_names]\n    pred',
      "    data = data.copy()\n    data.loc[data['distance'] == 500, ['distance', 'log_distance']] = 0\n    X_test = data[feature_names]\n    pred",
    );
    for (const story of stories) await runNotebook(story);
    laptop = await startLaptop(models);
    await succeed('deploy');
  });

  it.each(stories)('$model goes live and predicts what its notebook predicted', async (story) => {
    await succeed('drop', story.model, dataFile(story), '--wait');
    const example = await succeed('predict', story.model, '--example');
    expect(example).toMatch(/prediction/);
    const { code, stdout, stderr } = await parity(story);
    expect(code, stdout + stderr).toBe(0);
    const found = JSON.parse(stdout);
    expect(found.verdict).toBe('equal');
    expect(found.rows.compared).toBeGreaterThan(400);
  });

  it('a planted skew is found, and the rows that it moves are named', async () => {
    await succeed('drop', skewed.model, dataFile(skewed), '--wait');
    const { code, stdout } = await parity(skewed);
    expect(code).toBe(6);
    const { verdict, worst, explanation } = JSON.parse(stdout);
    expect(verdict).toBe('different');
    expect(worst.length).toBeGreaterThan(0);
    const missing = new Set(
      readFileSync(dataFile(skewed), 'utf8')
        .split('\n')
        .map((line) => line.split(','))
        .filter((cells) => cells[4] === '')
        .map(([key]) => key),
    );
    for (const { key } of worst) expect(missing).toContain(key);
    expect(explanation).toMatch(/distance.*missing|missing.*distance/);
  });
});
