import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { runTests } from '../../cli/sample/run-tests.ts';
import { TrainingFailedError } from '../../cli/sample/run-trainer.ts';
import { trainSample } from '../../cli/sample/train-sample.ts';
import type { ModelFolder } from '../../config/models.ts';
import { defineModel, type ModelDefinitionInput } from '../../core/model/define-model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';

const environment = join(import.meta.dirname, '..', '..', '.venv', 'trainers');
const stock = join(import.meta.dirname, '..', '..', '.venv', 'xgboost');
const scratch = mkdtempSync(join(tmpdir(), 'slipway-own-python-'));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));

/** Customers, of whom those of 50 and more left: whoever knows the age knows it all. */
function customers(rows: number): string {
  const lines = Array.from({ length: rows }, (_, i) => {
    const age = 20 + ((i * 37) % 60);
    const plan = ['basic', 'plus', ' pro'][i % 3];
    return `c${i},2026-01-${String(1 + (i % 28)).padStart(2, '0')}T12:00:00Z,${plan},${age},${age >= 50 ? 1 : 0}`;
  });
  return ['customer,seen_at,plan,age,left', ...lines, ''].join('\n');
}

const data = join(scratch, 'customers.csv');
writeFileSync(data, customers(1_200));

type Changes = Partial<ModelDefinitionInput>;

let made = 0;
function modelFolder(files: Readonly<Record<string, string>>, changes: Changes): ModelFolder {
  made += 1;
  const folder = join(scratch, `model-${made}`);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  const training = { trainer: 'python', hyperparameters: { depth: 3 } } as const;
  return { definition: defineModel(aModelDefinition({ training, ...changes })), folder };
}

const pipeline = `
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder
from sklearn.tree import DecisionTreeClassifier


def train(data, hyperparameters):
    columns = ColumnTransformer([
        ("plan", OneHotEncoder(handle_unknown="ignore"), ["plan"]),
        ("age", SimpleImputer(), ["age"]),
    ])
    tree = DecisionTreeClassifier(max_depth=hyperparameters["depth"], random_state=0)
    return Pipeline([("columns", columns), ("tree", tree)]).fit(data[["plan", "age"]], data["left"])
`;
const rawColumns: Changes = { features: { inModel: ['plan', 'age'] } };
const inContainer: Changes = {
  ...rawColumns,
  serving: { target: 'container', memoryMb: 2048 },
};

const quiet = { note: () => undefined };
const sample = (folder: ModelFolder, rows: number | undefined = 600) =>
  trainSample(folder, { environment, data, rows }, quiet);

describe('a training on a sample, here', () => {
  it.each<[string, Record<string, string>, Changes, string]>([
    ['a pipeline on raw columns', { 'train.py': pipeline }, rawColumns, 'model.onnx'],
    [
      'declared features',
      {
        'train.py':
          'from sklearn.tree import DecisionTreeClassifier\n\n\ndef train(data, hyperparameters):\n    return DecisionTreeClassifier().fit(data[["age"]].fillna(0), data["left"])\n',
      },
      { features: { declared: { age: { transform: 'numeric', column: 'age' } } } },
      'model.onnx',
    ],
    ['a container', { 'train.py': pipeline }, inContainer, 'model.tar.gz'],
  ])('judges %s with the metrics of the gate', async (_, files, changes, file) => {
    const result = await sample(modelFolder(files, changes));
    expect(result.rows.file).toBe(1_200);
    expect(result.rows.train + result.rows.holdout).toBe(600);
    expect(result.metrics.auc).toBe(1);
    expect(result.baseline.auc).toBe(0.5);
    expect(result.export).toMatchObject({ file, equal: true });
  });

  it('chooses the same rows each time, all of them where none are counted', async () => {
    const folder = modelFolder({ 'train.py': pipeline }, rawColumns);
    const [first, second] = [await sample(folder), await sample(folder)];
    const known = ({ rows, metrics, baseline, export: { bytes } }: typeof first) => ({
      ...{ rows, metrics, baseline, bytes },
    });
    expect(known(second)).toEqual(known(first));
    const { rows } = await trainSample(folder, { environment, data, rows: undefined }, quiet);
    expect(rows.train + rows.holdout).toBe(1_200);
  });

  it('is the stock trainer’s too', async () => {
    const definition = defineModel(aModelDefinition());
    const folder = { definition, folder: scratch };
    const result = await trainSample(folder, { environment: stock, data, rows: 600 }, quiet);
    expect(result.metrics.auc).toBe(1);
    expect(result.export).toMatchObject({ file: 'model.onnx', equal: true });
  });

  it("tells the user's file and line first where their code fails", async () => {
    const broken = pipeline.replace('data[["plan", "age"]]', 'data[["plan", "agee"]]');
    const line = broken.split('\n').findIndex((text) => text.includes('agee')) + 1;
    const failed = sample(modelFolder({ 'train.py': broken }, rawColumns));
    await expect(failed).rejects.toThrow(TrainingFailedError);
    await expect(failed).rejects.toThrow(new RegExp(`^train\\.py:${line} in train: KeyError: `));
  });

  it.each([
    [
      'customer,seen_at,plan,age,left,extra\nc1,2026-01-01,basic,30,0,1\n',
      /column extra, rule column_unknown/,
    ],
    [
      'customer,seen_at,plan,age,left\nc1,2026-01-01,basic,thirty,0\n',
      /row 1, value "thirty": column age/,
    ],
    ['customer,seen_at,plan,age,left\nc1,2026-01-01T00:00:00Z,basic,30,0\n', /and no row is left/],
    ['', /the file is empty/],
  ])('refuses a file of which a drop would go to quarantine (%#)', async (text, message) => {
    const file = join(scratch, 'bad.csv');
    writeFileSync(file, text);
    const folder = modelFolder({ 'train.py': pipeline }, rawColumns);
    await expect(
      trainSample(folder, { environment, data: file, rows: undefined }, quiet),
    ).rejects.toThrow(message);
  });
});

describe("a model's own tests", () => {
  const declared = {
    features: {
      declared: {
        plan: { transform: 'categorical', column: 'plan' },
        age: { transform: 'log1p', column: 'age' },
      },
    },
  } as const;
  const onCodes = `
from sklearn.tree import DecisionTreeClassifier


def train(data, hyperparameters):
    return DecisionTreeClassifier(max_depth=hyperparameters["depth"]).fit(data[["plan", "age"]].fillna(-1), data["left"])
`;
  const features = `
import numpy as np


def features(data):
    return data.assign(age=np.log1p(data["age"]))[["plan", "age"]]
`;
  const equal = `
import features
import pandas as pd


def test_the_features_equal_the_declared_ones(raw, declared):
    made = features.features(raw)
    pd.testing.assert_frame_equal(made, declared[["plan", "age"]], rtol=1e-6, check_dtype=False)
`;
  const run = (files: Readonly<Record<string, string>>, changes: Changes) => {
    const folder = modelFolder({ 'train.py': onCodes, ...files }, changes);
    writeFileSync(join(folder.folder, 'tests', 'sample.csv'), customers(60));
    return runTests(folder, { environment, pytest: ['-q'], json: true });
  };

  it('hold pandas code against the declared features that the platform computes', async () => {
    const files = { 'features.py': features, 'tests/test_features.py': equal };
    expect(await run(files, declared)).toMatchObject({ exitCode: 0, passed: 1, failed: 0 });
    const skewed = { ...files, 'features.py': features.replace('log1p', 'log') };
    expect(await run(skewed, declared)).toMatchObject({ exitCode: 1, passed: 0, failed: 1 });
  });

  it('are given the rows, the hyperparameters and what train() makes of them', async () => {
    const test = `
import train


def test_it_knows_the_age(data, predict, label, hyperparameters, task):
    assert hyperparameters == {"depth": 3} and task == "binary_classification"
    assert train.train(data, hyperparameters) is not None
    answers = predict(data)
    assert ((answers > 0.5) == (data[label] == 1)).all()


def test_nothing_is_declared(declared):
    raise AssertionError("skipped before")
`;
    const files = { 'train.py': pipeline, 'tests/test_model.py': test };
    for (const changes of [rawColumns, inContainer]) {
      expect(await run(files, changes)).toMatchObject({ exitCode: 0, passed: 1, skipped: 1 });
    }
  });

  it('that there are none of are asked for', async () => {
    const folder = modelFolder({ 'train.py': pipeline }, rawColumns);
    const request = { environment, pytest: [], json: true };
    await expect(runTests(folder, request)).rejects.toThrow(/there is no .*test_\*\.py; write one/);
  });
});
