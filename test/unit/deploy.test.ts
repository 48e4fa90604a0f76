import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { stacksFor } from '../../cli/deploy.ts';
import { repositoryRoot } from '../../cli/laptop-file.ts';
import { dataOf, rememberData } from '../../cli/remembered-data.ts';
import { checkProgram } from '../../cli/sample/check-program.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';

describe('a deployment of one model', () => {
  const folders = ['churn', 'parcels'].map((name) => ({
    definition: defineModel(aModelDefinition({ name })),
    folder: `/models/${name}`,
  }));
  const models = ['Slipway-dev-Model-Churn', 'Slipway-dev-Model-Parcels'];
  const shared = [
    'Slipway-Account',
    'Slipway-dev-Api',
    'Slipway-dev-Monitoring',
    'Slipway-dev-State',
  ];
  const all = [...shared, ...models];
  const chosen = (model: string | undefined, deployed: readonly string[]) =>
    stacksFor(all, { environment: 'dev', folders, model }, deployed);

  it('is its stack and what all models share, where the others are there', () => {
    expect(chosen('churn', ['parcels'])).toEqual([...shared, 'Slipway-dev-Model-Churn']);
    expect(chosen('churn', ['churn', 'parcels'])).toEqual([...shared, 'Slipway-dev-Model-Churn']);
  });

  it('is of everything where another was never deployed, because what they share refers to it', () => {
    expect(chosen('churn', [])).toEqual(all);
    expect(chosen('churn', ['churn'])).toEqual(all);
  });

  it('that is not named is of everything', () => {
    expect(chosen(undefined, ['churn', 'parcels'])).toEqual(all);
  });
});

describe('the file that a model was made from', () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-data-'));
  const model = `a-model-of-${process.pid}`;
  const file = join(folder, 'rows.csv');
  afterAll(() => {
    rmSync(folder, { recursive: true, force: true });
    rmSync(join(repositoryRoot, '.slipway', 'data', `${model}.txt`), { force: true });
  });

  it('has to be named once, and is remembered then, until another is named or it is gone', () => {
    expect(() => dataOf(model, undefined)).toThrow(
      /no file of rows is known for .* --data rows\.csv/,
    );
    expect(() => dataOf(model, file)).toThrow(`there is no file ${file}`);
    writeFileSync(file, 'a\n1\n');
    expect(dataOf(model, file)).toBe(file);
    rememberData(model, file);
    expect(dataOf(model, undefined)).toBe(file);
    rmSync(file);
    expect(() => dataOf(model, undefined)).toThrow(/is gone; name another file with --data/);
  });
});

describe('the program of a model', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'slipway-program-of-'));
  afterAll(() => rmSync(scratch, { recursive: true, force: true }));
  const modelWith = (files: Readonly<Record<string, string>>, trainer = 'python') => {
    const own = mkdtempSync(join(scratch, 'model-'));
    for (const [name, text] of Object.entries(files)) writeFileSync(join(own, name), text);
    const training =
      trainer === 'python' ? { training: { trainer: 'python', hyperparameters: {} } as const } : {};
    return {
      definition: defineModel(aModelDefinition({ name: 'churn', ...training })),
      folder: own,
    };
  };
  const train = 'def train(data, hyperparameters):\n    return 1\n';

  it('is told with file and line where it does not compile, and is not run', () => {
    const folder = modelWith({ 'train.py': `${train}\ny = = 2\n`, 'helper.py': 'raise 1' });
    expect(() => checkProgram(folder)).toThrow(/churn is not deployed: train\.py:4: SyntaxError: /);
    expect(() => checkProgram(folder)).not.toThrow(/helper/);
  });

  it('is all of its files', () => {
    const folder = modelWith({ 'train.py': train, 'features.py': train, 'helper.py': 'if x\n' });
    expect(() => checkProgram(folder)).toThrow(
      /helper\.py:1: SyntaxError: .*\n {2}helper\.py:1\n {4}if x/,
    );
  });

  it('that compiles is taken, and that of the stock trainer not looked at', () => {
    expect(() => checkProgram(modelWith({ 'train.py': train }))).not.toThrow();
    expect(() => checkProgram(modelWith({ 'train.py': '(' }, 'xgboost'))).not.toThrow();
  });
});
