import { gzipSync } from 'node:zlib';
import { beforeEach, describe, expect, it } from 'vitest';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { sha256 } from '../../core/canonical-json.ts';
import type { LabelRecord, PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import { defineModel, type ModelDefinitionInput } from '../../core/model/define-model.ts';
import { LabelReport, labelFileKey, labelReportKey } from '../../core/monitoring/label-report.ts';
import { labelledKey } from '../../core/monitoring/labelled-predictions.ts';
import { logHours, logPrefix } from '../../core/monitoring/log-window.ts';
import { labelledDropKey } from '../../core/monitoring/training-rows.ts';
import { takeSnapshot } from '../../lambdas/datasets/take-snapshot.ts';
import { validateSnapshot } from '../../lambdas/datasets/validate-snapshot.ts';
import { joinLabels } from '../../lambdas/monitoring/join-labels.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { dataCloud } from './data-cloud.ts';
import { useCloud } from './laptop-cloud/harness.ts';

const cloud = useCloud();
const now = new Date(Date.now() + 1_500);
const minutesAgo = (minutes: number): string =>
  new Date(Date.now() - minutes * 60_000).toISOString();

const model = 'churn';
const definitionOf = (changes: Partial<ModelDefinitionInput> = {}) =>
  defineModel(aModelDefinition({ name: model, ...changes }));
const definition = definitionOf();

let place: Awaited<ReturnType<typeof dataCloud>>;
let data: S3Objects;
beforeEach(async () => {
  place = await dataCloud(cloud());
  data = place.data;
});

const idOf = (n: number, name = model): string =>
  `${name}-v1-${n.toString(16).padStart(32, '0')}-0`;

const prediction = (n: number, changes: Partial<PredictionRecord> = {}): PredictionRecord => ({
  predictionId: idOf(n),
  requestId: 'r',
  model,
  version: 1,
  predictedAt: minutesAgo(90),
  entityKey: `customer-${n}`,
  inputs: { customer: `customer-${n}`, seen_at: '2026-01-02', plan: 'basic', age: 20 + n },
  features: { plan: 0, age: 20 + n },
  prediction: 0.25,
  latencyMs: 1,
  ...changes,
});

let written = 0;
async function logged(records: readonly PredictionRecord[]): Promise<string> {
  const [at = ''] = records.map(({ predictedAt }) => predictedAt);
  const [hour = ''] = logHours({ from: new Date(at), to: new Date(at) });
  written += 1;
  await data.put(
    `${logPrefix(model, hour)}${written}`,
    records.map((record) => `${JSON.stringify(record)}\n`).join(''),
  );
  return hour;
}

async function uploaded(name: string, content: string | Uint8Array): Promise<string> {
  const hash = sha256(Buffer.from(content));
  await data.put(labelFileKey(model, name, hash), content);
  return labelReportKey(model, hash);
}

/** As the feedback API writes them. */
async function sent(
  labels: readonly Omit<LabelRecord, 'receivedAt'>[],
  receivedAt = minutesAgo(1),
) {
  const lines = labels.map((label) => `${JSON.stringify({ ...label, receivedAt })}\n`).join('');
  await data.put(`labels/${model}/dt=${receivedAt.slice(0, 10)}/${sha256(lines)}.jsonl`, lines);
}

const joined = (of = definition) => joinLabels(data, of, now);
const report = async (key: string) => LabelReport.parse(await data.getJson(key));
const linesOf = async (key: string): Promise<Record<string, unknown>[]> =>
  (await data.get(key))
    .toString('utf8')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const rowsOf = (hour: string) => linesOf(labelledDropKey(model, hour));

describe('labels', () => {
  it('make rows to train on of the predictions they name, by file and by feedback', async () => {
    const hour = await logged([prediction(1), prediction(2), prediction(3)]);
    const key = await uploaded('a.csv', `prediction_id,left\n${idOf(1)},1\n`);
    await sent([{ predictionId: idOf(2), label: 0 }]);
    expect(await joined()).toEqual({
      files: 2,
      matched: 2,
      unmatched: 0,
      invalid: 0,
      changedHours: 1,
      trainingRows: 2,
    });
    expect(await rowsOf(hour)).toEqual([
      { customer: 'customer-1', seen_at: '2026-01-02', plan: 'basic', age: 21, left: 1 },
      { customer: 'customer-2', seen_at: '2026-01-02', plan: 'basic', age: 22, left: 0 },
    ]);
    expect(await linesOf(labelledKey(model, hour))).toMatchObject([
      { predictionId: idOf(1), label: 1, prediction: 0.25, version: 1, isTrainedOn: true },
      { predictionId: idOf(2), label: 0 },
    ]);
    expect(await report(key)).toMatchObject({ rows: 1, matched: 1, unmatched: 0, invalid: 0 });
  });

  it.each([
    ['CSV with another name of the label', 'b.csv', `label,prediction_id,note\n1,${idOf(1)},x\n`],
    ['packed JSON Lines', 'b.jsonl.gz', gzipSync(`{"prediction_id":"${idOf(1)}","left":1}\n`)],
  ])('may be %s', async (_, name, content) => {
    const hour = await logged([prediction(1)]);
    await uploaded(name, content);
    expect(await joined()).toMatchObject({ matched: 1, invalid: 0 });
    expect(await rowsOf(hour)).toMatchObject([{ left: 1 }]);
  });

  it('that come before their prediction is logged wait for it', async () => {
    const key = await uploaded('early.csv', `prediction_id,left\n${idOf(1)},1\n`);
    expect(await joined()).toMatchObject({ matched: 0, unmatched: 1, changedHours: 0 });
    expect(await report(key)).toMatchObject({ unmatched: 1 });
    const hour = await logged([prediction(1)]);
    expect(await joined()).toMatchObject({ matched: 1, unmatched: 0, changedHours: 1 });
    expect(await rowsOf(hour)).toHaveLength(1);
    expect(await report(key)).toMatchObject({ matched: 1, unmatched: 0 });
  });

  it('joined again change nothing, and write nothing', async () => {
    const hour = await logged([prediction(1), prediction(1)]);
    await logged([prediction(1)]);
    await uploaded('a.csv', `prediction_id,left\n${idOf(1)},1\n${idOf(1)},1\n`);
    expect(await joined()).toMatchObject({ changedHours: 1, trainingRows: 1 });
    const before = await data.find(labelledDropKey(model, hour));
    await uploaded('a.csv', `prediction_id,left\n${idOf(1)},1\n${idOf(1)},1\n`);
    expect(await joined()).toMatchObject({ changedHours: 0, trainingRows: 1 });
    expect((await data.find(labelledDropKey(model, hour)))?.versionId).toBe(before?.versionId);
  });

  it('are joined with a log of many objects, of which several are fetched at a time', async () => {
    const numbers = Array.from({ length: 30 }, (_, i) => i);
    for (const n of numbers) {
      await logged([prediction(n, { predictedAt: minutesAgo(90 + 60 * (n % 10)) })]);
    }
    await sent(numbers.map((n) => ({ predictionId: idOf(n), label: n % 2 })));
    let [open, mostOpen] = [0, 0];
    const download: S3Objects['download'] = async (...asked) => {
      open += 1;
      mostOpen = Math.max(mostOpen, open);
      try {
        return await data.download(...asked);
      } finally {
        open -= 1;
      }
    };
    expect(await joinLabels({ ...data, download }, definition, now)).toMatchObject({
      matched: 30,
      trainingRows: 30,
      changedHours: 10,
    });
    expect(mostOpen).toBeGreaterThan(2);
    expect(mostOpen).toBeLessThanOrEqual(48);
  });

  it('that contradict each other: the newest is the one', async () => {
    const hour = await logged([prediction(1)]);
    await sent([{ predictionId: idOf(1), label: 1 }], minutesAgo(10));
    await sent([{ predictionId: idOf(1), label: 0 }], minutesAgo(20));
    await joined();
    expect(await rowsOf(hour)).toMatchObject([{ left: 1 }]);
    await uploaded('correction.csv', `prediction_id,left\n${idOf(1)},0\n`);
    expect(await joined()).toMatchObject({ changedHours: 1, trainingRows: 1 });
    expect(await rowsOf(hour)).toMatchObject([{ left: 0 }]);
  });

  it('of an entity are about its latest prediction before them, or for the time they tell', async () => {
    const of = (n: number, minutes: number, seen_at: string | null) =>
      prediction(n, {
        predictedAt: minutesAgo(minutes),
        entityKey: 'ann',
        inputs: { customer: 'ann', seen_at, plan: 'basic', age: n },
      });
    await logged([of(1, 90, '2026-01-01')]);
    await logged([of(2, 60, '2026-02-01')]);
    await logged([of(3, 30, '2026-03-01')]);
    await sent([{ entityKey: 'ann', label: 1 }], minutesAgo(45));
    await sent([{ entityKey: 'bob', label: 1 }], minutesAgo(45));
    expect(await joined()).toMatchObject({ matched: 1, unmatched: 1 });
    const labelled = async () => {
      const hours = logHours({ from: new Date(Date.now() - 7_200_000), to: now });
      const found = await Promise.all(
        hours.map(async (hour) =>
          (await data.find(labelledDropKey(model, hour))) ? rowsOf(hour) : [],
        ),
      );
      return found.flat().map(({ age, left }) => [age, left]);
    };
    expect(await labelled()).toEqual([[2, 1]]);
    await uploaded('by-time.csv', 'customer,seen_at,left\nann,2026-01-15,0\nann,2025-01-01,0\n');
    expect(await joined()).toMatchObject({ matched: 2, unmatched: 2 });
    expect(await labelled()).toEqual([
      [1, 0],
      [2, 1],
    ]);
  });

  it('that are wrong are told row by row, and the others count', async () => {
    await logged([prediction(1), prediction(2)]);
    const key = await uploaded(
      'wrong.csv',
      [
        'prediction_id,customer,left',
        `${idOf(1)},,1`,
        `${idOf(2)},,2`,
        `${idOf(2, 'other')},,1`,
        ',,1',
        `${idOf(2)},,`,
        'too,few,columns,here',
        `${idOf(2)},,0`,
      ].join('\n'),
    );
    expect(await joined()).toMatchObject({ matched: 2, unmatched: 0, invalid: 5 });
    const told = await report(key);
    expect(told).toMatchObject({ rows: 7, matched: 2, unmatched: 0, invalid: 5 });
    const rows = Object.fromEntries(
      told.problems.flatMap(({ message, examples }) =>
        examples.map(({ row }) => [row, message] as const),
      ),
    );
    expect(rows[2]).toMatch(/^left must be one of 0, 1/);
    expect(rows[3]).toBe('prediction_id is not that of a prediction of churn');
    expect(rows[4]).toMatch(/does not say what it is about; fill in prediction_id or customer/);
    expect(rows[5]).toMatch(/has no label; fill in left or label/);
    expect(rows[6]).toMatch(/cannot be read/);
  });

  it.each([
    ['no label', 'x.csv', `prediction_id\n${idOf(1)}\n`, /no column left or label/],
    ['nothing it is about', 'x.csv', 'left\n1\n', /no column prediction_id or customer/],
    ['no table', 'x.parquet', 'left\n1\n', /cannot be read/],
  ])('in a file that has %s are told as such', async (_, name, content, message) => {
    await logged([prediction(1)]);
    const key = await uploaded(name, content);
    expect(await joined()).toMatchObject({ matched: 0 });
    expect((await report(key)).problems[0]?.message).toMatch(message);
  });

  it('of another model move nothing', async () => {
    await logged([prediction(1)]);
    await data.put('labels/other/files/a.csv', `prediction_id,left\n${idOf(1)},1\n`);
    await data.put('predictions/other/x', `${JSON.stringify(prediction(1))}\n`);
    expect(await joined()).toMatchObject({ files: 0, matched: 0, changedHours: 0 });
  });

  it('count for the quality alone where their predictions lack a column', async () => {
    const hour = await logged([
      prediction(1, { inputs: { customer: null, seen_at: '2026-01-02', plan: 'basic', age: 1 } }),
      prediction(2),
    ]);
    await uploaded('a.csv', `prediction_id,left\n${idOf(1)},1\n${idOf(2)},1\n`);
    expect(await joined()).toMatchObject({ matched: 2, trainingRows: 1 });
    expect(await rowsOf(hour)).toMatchObject([{ customer: 'customer-2' }]);
    expect(await linesOf(labelledKey(model, hour))).toHaveLength(2);
  });

  it('count for the quality alone where the model takes the newest file only, which its reports say', async () => {
    const { columns } = definition.data;
    const replace = definitionOf({
      data: {
        columns,
        label: 'left',
        entityKey: 'customer',
        eventTime: 'seen_at',
        mode: 'replace',
      },
    });
    const hour = await logged([prediction(1)]);
    const key = await uploaded('a.csv', `prediction_id,left\n${idOf(1)},1\n`);
    expect(await joined(replace)).toMatchObject({ matched: 1, trainingRows: 0 });
    expect(await data.find(labelledDropKey(model, hour))).toBeUndefined();
    expect((await report(key)).notTrainedOn).toMatch(/data\.mode is 'replace'/);
  });
});

describe('labelled predictions', () => {
  it('are a drop that the pipeline takes, in their newest form, however few they are', async () => {
    const { columns } = definition.data;
    const strict = definitionOf({
      data: {
        columns,
        label: 'left',
        entityKey: 'customer',
        eventTime: 'seen_at',
        checks: { minimumRows: 3 },
      },
    });
    const base = ['customer,seen_at,plan,age,left'];
    for (let day = 1; day <= 20; day += 1) {
      base.push(`c${day},2026-01-${String(day).padStart(2, '0')},basic,,${day % 2}`);
    }
    await data.put(`landing/${model}/base.csv`, `${base.join('\n')}\n`);
    const hour = await logged([prediction(1), prediction(2)]);
    await uploaded('a.csv', `prediction_id,left\n${idOf(1)},1\n`);
    await joined(strict);
    await uploaded('b.csv', `prediction_id,left\n${idOf(2)},0\n`);
    await joined(strict);
    const snapshot = await takeSnapshot(place, strict);
    expect(snapshot).toMatchObject({ outcome: 'taken', files: 2 });
    const manifest = (await data.getJson(snapshot.manifestKey)) as { files: object[] };
    expect(manifest.files).toMatchObject([
      { key: `landing/${model}/base.csv`, rows: 20 },
      { key: labelledDropKey(model, hour), rows: 2 },
    ]);
    expect(await validateSnapshot(data, strict, snapshot.manifestKey)).toMatchObject({
      outcome: 'valid',
    });
  });
});
