import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { modelPython, wheelSetsOf } from '../../config/model-python.ts';
import { mergeRequirements } from '../../config/requirements.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { hyperparametersOf, planTraining } from '../../core/training/training-plan.ts';
import { aModelDefinition } from '../builders/model-definition.ts';

const folders = mkdtempSync(join(tmpdir(), 'slipway-own-python-'));
afterAll(() => rmSync(folders, { recursive: true, force: true }));

const own = defineModel(
  aModelDefinition({ training: { trainer: 'python', hyperparameters: { depth: 3, name: null } } }),
);

function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(folders, 'model-'));
  mkdirSync(folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

describe('the packages of a model', () => {
  const platform = '# ours\nnumpy==2.4.6\nScikit_Learn==1.7.2 # converts\n';

  it("are the platform's and its own, of which its own version counts", () => {
    const { lines, problems } = mergeRequirements(
      platform,
      'scikit-learn[extra]==1.6.1\n\ntqdm==4.67.1',
    );
    expect(problems).toEqual([]);
    expect(lines).toEqual(['numpy==2.4.6', 'scikit-learn[extra]==1.6.1', 'tqdm==4.67.1']);
  });

  it('may say where they come from, be a file, be continued and depend on the machine', () => {
    const text = [
      '--extra-index-url https://download.pytorch.org/whl/cpu',
      "torch==2.13.0 ; sys_platform == 'linux'  # small",
      'numpy @ https://example.com/numpy-2.4.6-py3-none-any.whl',
      'tqdm \\',
      '  ==4.67.1',
    ].join('\r\n');
    const { lines, problems } = mergeRequirements(platform, text);
    expect(problems).toEqual([]);
    expect(lines).toEqual([
      'Scikit_Learn==1.7.2',
      '--extra-index-url https://download.pytorch.org/whl/cpu',
      "torch==2.13.0 ; sys_platform == 'linux'",
      'numpy @ https://example.com/numpy-2.4.6-py3-none-any.whl',
      'tqdm ==4.67.1',
    ]);
  });

  it.each([
    ['pandas', 'pin it with =='],
    ['pandas>=2', 'pin it with =='],
    ['pandas==2.3.*', 'pin it with =='],
    ['pandas==2.3.3,<3', 'pin it with =='],
    ['-r other.txt', 'in this file itself'],
    ['pandas==2.3.3 --hash=sha256:0', 'remove them'],
  ])('that are written as %s are refused with line, text and fix', (line, fix) => {
    const { problems } = mergeRequirements(platform, `tqdm==4.67.1\n${line}\n`);
    expect(problems).toEqual([expect.stringMatching(/^line 2: /)]);
    expect(problems[0]).toContain(fix);
    expect(problems[0]).toContain(`(received ${line})`);
  });
});

describe("a model's own Python", () => {
  it('is none of a stock model, which needs the sets of wheels of its trainer instead', () => {
    const stock = defineModel(aModelDefinition());
    expect(modelPython({ definition: stock, folder: folders })).toBeUndefined();
    const onGpu = { trainer: 'xgboost', instanceType: 'ml.g5.xlarge' } as const;
    const gpu = defineModel(aModelDefinition({ training: onGpu }));
    expect(wheelSetsOf([stock, own, gpu, stock])).toEqual(['xgboost', 'xgboost-gpu']);
    expect(wheelSetsOf([own])).toEqual([]);
  });

  it('has an environment that models with the same packages share, whatever their comments', () => {
    const environment = (requirements: string) =>
      modelPython({
        definition: own,
        folder: folderWith({ 'train.py': '', 'requirements.txt': requirements }),
      })?.environment;
    expect(environment('tqdm==4.67.1\n')).toBe(environment('# bars\ntqdm==4.67.1  # here\n'));
    expect(environment('tqdm==4.67.1\n')).not.toBe(environment('tqdm==4.67.0\n'));
    expect(environment('')).toMatch(/\.venv\/models\/[0-9a-f]{16}$/);
  });

  it.each([
    [{ 'requirements.txt': '' }, /train\.py, which is missing; write `def train/],
    [{ 'train.py': '' }, /requirements\.txt, which is missing; name the packages/],
    [
      { 'train.py': '', 'requirements.txt': 'pandas' },
      /requirements\.txt is not valid:\n {2}- line 1/,
    ],
  ])('that is not whole (%j) is told with the file and the fix', (files, message) => {
    expect(() => modelPython({ definition: own, folder: folderWith(files) })).toThrow(message);
  });
});

describe("the hyperparameters of a model's own Python", () => {
  it("travel as one text, with what the platform's own program has to know", () => {
    expect(hyperparametersOf(own)).toEqual({
      trainer: 'python',
      task: 'binary_classification',
      seed: '0',
      checkpoint_interval_seconds: '60',
      serving: 'lambda',
      label: 'left',
      user: '{"depth":3,"name":null}',
    });
  });

  it('make another training where they are changed, on the same data', () => {
    const plan = (depth: number) =>
      planTraining({
        definition: defineModel(
          aModelDefinition({ training: { trainer: 'python', hyperparameters: { depth } } }),
        ),
        runId: 'churn-20260301T010101-abcdef',
        contentHash: 'a'.repeat(64),
        trainerSha256: 'b'.repeat(64),
        trainingImage: '/venv',
        trainingDevice: 'cpu',
        artifactsBucket: 'artifacts',
      });
    expect(plan(3).trainingId).not.toBe(plan(4).trainingId);
    expect(plan(4).hyperparameters).not.toHaveProperty('device');
  });

  const refused = (hyperparameters: object): string => {
    try {
      defineModel(aModelDefinition({ training: { trainer: 'python', hyperparameters } as never }));
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  it.each([
    [{ layers: [64, 32] }, /training\.hyperparameters\.layers: set it to a text.*\[64,32\]/],
    [{ rate: Number.NaN }, /training\.hyperparameters\.rate: set it to/],
    [{ text: 'x'.repeat(2_500) }, /training\.hyperparameters: as JSON they are 2511 characters/],
  ])('%j are refused with the reason', (hyperparameters, message) => {
    expect(refused(hyperparameters)).toMatch(message);
  });

  it('are at most a hundred, of any name', () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, i) => [`p ${i}`, i]));
    expect(refused(many(100))).toBe('');
    expect(refused(many(101))).toMatch(/there are 101 hyperparameters/);
  });

  it('are of one of the two trainers there are', () => {
    const other = aModelDefinition({ training: { trainer: 'sklearn' } as never });
    expect(() => defineModel(other)).toThrow(/'xgboost', or 'python' for your own train\.py/);
  });
});
