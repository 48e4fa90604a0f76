// A scikit-learn pipeline from a file of rows to an answer: the tables of the platform, the trainer's process,
// ONNX Runtime, the request's parser. Only the cloud is left out. The oracle is scikit-learn itself, in a
// process that reads the same file with pandas and knows nothing of the platform.
import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from 'vitest';
import { createModelSession } from '../../adapters/model-session.ts';
import { judgeSample } from '../../cli/sample/judge-sample.ts';
import { runTrainer, writeConfiguration, writeProgram } from '../../cli/sample/run-trainer.ts';
import { type SampleChannels, writeChannels } from '../../cli/sample/sample-rows.ts';
import { predict } from '../../core/inference/protocols/v1.ts';
import { assembleVersion } from '../../core/inference/versions/load-version.ts';
import type { LoadedVersion } from '../../core/inference/versions/loaded-version.ts';
import { defineModel, type ModelDefinition } from '../../core/model/define-model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { asCsv } from './written-files.ts';

const environment = join(import.meta.dirname, '../../.venv/trainers');

interface Guest {
  readonly 'guest no.': string;
  readonly booked: string;
  readonly 'Room (type)': string | null;
  readonly 'price $': number | null;
  readonly nights: number;
  readonly 'returning?': boolean | null;
  readonly cancelled: 0 | 1;
}

const guests: readonly Guest[] = Array.from({ length: 900 }, (_, i) => {
  const price = 40 + ((i * 37) % 113) + 0.25;
  const nights = 1 + (i % 9);
  return {
    'guest no.': `g${i}`,
    booked: new Date(Date.UTC(2026, 0, 1 + (i % 60), (i * 5) % 24, i % 60)).toISOString(),
    'Room (type)':
      i % 29 === 0 ? null : (['suite', 'double', 'single', 'groß & "fein"'][(i * 7) % 4] ?? null),
    'price $': i % 23 === 0 ? null : price,
    nights,
    'returning?': i % 31 === 0 ? null : i % 3 === 0,
    cancelled: price > 95 || (nights > 6 && i % 4 !== 0) ? 1 : 0,
  };
});
const isHeldOut = ({ booked }: Guest): boolean => {
  const newest = Math.max(...guests.map((guest) => Date.parse(guest.booked)));
  return Date.parse(booked) > newest - 7 * 86_400_000;
};

const definition: ModelDefinition = defineModel({
  ...aModelDefinition(),
  name: 'guests',
  data: {
    columns: {
      'guest no.': { type: 'string' },
      booked: { type: 'timestamp' },
      'Room (type)': { type: 'string', nullable: true },
      'price $': { type: 'number', nullable: true },
      nights: { type: 'integer' },
      'returning?': { type: 'boolean', nullable: true },
      cancelled: { type: 'integer', allowed: [0, 1] },
    },
    label: 'cancelled',
    entityKey: 'guest no.',
    eventTime: 'booked',
  },
  features: { inModel: ['Room (type)', 'price $', 'nights', 'returning?'] },
  training: { trainer: 'python', hyperparameters: { C: 0.5 } },
});

const pipeline = `
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler


def train(data, hyperparameters):
    columns = ColumnTransformer([
        ("room", make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")), ["Room (type)"]),
        ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["price $", "nights", "returning?"]),
    ])
    model = make_pipeline(columns, LogisticRegression(C=hyperparameters["C"], max_iter=1000))
    return model.fit(data.drop(columns="cancelled"), data["cancelled"])
`;

/** What a data scientist would run beside it: pandas, the same function, nothing of the platform. */
const oracle = `
import json, sys
import pandas as pd
from train import train

names = ["Room (type)", "price $", "nights", "returning?"]

def read(path):
    data = pd.read_csv(path)
    data["returning?"] = data["returning?"].map({True: 1.0, False: 0.0, "True": 1.0, "False": 0.0, "true": 1.0, "false": 0.0})
    return data

rows = read(sys.argv[1])
fitted = train(rows[[*names, "cancelled"]], {"C": 0.5})
print(json.dumps(fitted.predict_proba(read(sys.argv[2])[names])[:, 1].tolist()))
`;

/** Files of a training, and its model as an endpoint loads it. */
interface Trained {
  readonly base: string;
  readonly channels: SampleChannels;
  readonly version: LoadedVersion;
}

async function train(base: string): Promise<Trained> {
  const [folder, data] = [join(base, 'model.folder'), join(base, 'guests.csv')];
  await mkdir(folder);
  await writeFile(join(folder, 'train.py'), pipeline);
  const emptyForNull = (guest: Guest) =>
    Object.fromEntries(Object.entries(guest).map(([name, value]) => [name, value ?? '']));
  await writeFile(data, asCsv(guests.map(emptyForNull)));
  const inputs = join(base, 'input', 'data');
  const channels = await writeChannels({ definition, data, use: 'training' }, inputs);
  await writeConfiguration(base, definition);
  await writeProgram(environment, folder, inputs);
  await mkdir(join(base, 'model'));
  await runTrainer(environment, base, {
    note: () => undefined,
    stopped: new AbortController().signal,
  });
  const made = {
    'signature.json': Buffer.from(JSON.stringify(channels.signature)),
    'features.json': Buffer.from(JSON.stringify(channels.spec)),
  };
  const version = await assembleVersion({
    model: 'guests',
    version: 1,
    read: async (name) =>
      name in made ? made[name as keyof typeof made] : readFile(join(base, 'model', name)),
    createSession: createModelSession,
  });
  return { base, channels, version };
}

describe('a scikit-learn pipeline of raw columns', () => {
  let trained: Trained;
  beforeAll(async () => {
    trained = await train(await mkdtemp(join(tmpdir(), 'own-python-')));
  }, 120_000);

  const ask = async (rows: readonly object[]) => {
    const body = JSON.stringify({ instances: rows });
    return (await predict(trained.version, { body, requestId: 'r' })).reply.predictions;
  };

  it('answers requests as scikit-learn answers the same rows, missing and new values too', async () => {
    const { base } = trained;
    const asked = [
      ...guests.filter(isHeldOut),
      { 'Room (type)': 'a tent', 'price $': 1e6, nights: 1, 'returning?': null },
      { 'Room (type)': null, 'price $': null, nights: 0, 'returning?': true },
    ];
    const columns = definition.features.inModel ?? [];
    const emptyForNull = (row: object) =>
      Object.fromEntries(
        columns.map((name) => [name, (row as Record<string, unknown>)[name] ?? '']),
      );
    const [trainFile, askedFile] = [join(base, 'train.csv'), join(base, 'asked.csv')];
    const learned = guests
      .filter((guest) => !isHeldOut(guest))
      .map((guest) => ({ ...emptyForNull(guest), cancelled: guest.cancelled }));
    await writeFile(trainFile, asCsv(learned));
    await writeFile(askedFile, asCsv(asked.map(emptyForNull)));
    await writeFile(join(base, 'model.folder', 'oracle.py'), oracle);
    const { stdout } = await promisify(execFile)(join(environment, 'bin', 'python'), [
      join(base, 'model.folder', 'oracle.py'),
      trainFile,
      askedFile,
    ]);
    const expected: number[] = JSON.parse(stdout);
    const sent = asked.map((row) =>
      Object.fromEntries(columns.map((name) => [name, (row as Record<string, unknown>)[name]])),
    );
    const found = await ask(sent);
    expect(found).toHaveLength(expected.length);
    for (const [i, probability] of expected.entries()) expect(found[i]).toBeCloseTo(probability, 5);
  });

  it('passes the gate’s rules on what was held out', async () => {
    const { base, channels } = trained;
    const verdict = await judgeSample(definition, channels, join(base, 'model'));
    expect(channels.rows.holdout).toBe(guests.filter(isHeldOut).length);
    expect(verdict.export).toMatchObject({ file: 'model.onnx', equal: true });
    expect(verdict.baseline.auc).toBe(0.5);
    expect(verdict.metrics.auc).toBeGreaterThan(0.9);
  });
});
