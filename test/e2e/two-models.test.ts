// Two models in one environment: drift, labels, drops and a retraining of one move nothing of the other.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  GetMetricStatisticsCommand,
} from '@aws-sdk/client-cloudwatch';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Laptop, startLaptop, until } from './laptop.ts';
import { modelsFolder, type Parcel, parcels, trainingCsv } from './parcels.ts';
import { refusedCalls, rolesInUse, ungrantedCalls } from './policy-use.ts';

const moved = 'parcel-moved';
const calm = 'parcel-calm';
const requestRows = 50;

let folder: string;
let models: string;
let laptop: Laptop;
let cloudwatch: CloudWatchClient;

interface Answer {
  readonly model_version?: string;
  readonly predictions?: readonly number[];
  readonly prediction_ids?: readonly string[];
}

async function post(path: string, request: object): Promise<{ status: number; body: Answer }> {
  const { token } = await laptop.json('token');
  const reply = await fetch(`${laptop.api}${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify(request),
  });
  return { status: reply.status, body: (await reply.json()) as Answer };
}

async function predict(model: string, rows: readonly Parcel[]): Promise<void> {
  const { token } = await laptop.json('token');
  for (let start = 0; start < rows.length; start += requestRows) {
    const reply = await fetch(`${laptop.api}/v1/models/${model}:predict`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({ instances: rows.slice(start, start + requestRows) }),
    });
    expect(reply.status, await reply.clone().text()).toBe(200);
  }
}

/** Writes into a model's definition how it is served. */
function serve(model: string, serving: object): void {
  const file = join(models, model, 'model.ts');
  const text = readFileSync(file, 'utf8');
  const served = text.replace('{"target":"lambda"}', JSON.stringify(serving));
  expect(served).not.toBe(text);
  writeFileSync(file, served);
}

async function alarms(model: string): Promise<Record<string, string>> {
  const { MetricAlarms } = await cloudwatch.send(
    new DescribeAlarmsCommand({ AlarmNamePrefix: `slipway-local-${model}-` }),
  );
  return Object.fromEntries(
    (MetricAlarms ?? []).map(({ AlarmName = '', StateValue = '' }) => [
      AlarmName.slice(`slipway-local-${model}-`.length),
      StateValue,
    ]),
  );
}

/** The largest value that a metric of a model had; undefined where it has none. */
async function largest(model: string, MetricName: string): Promise<number | undefined> {
  const { Datapoints } = await cloudwatch.send(
    new GetMetricStatisticsCommand({
      Namespace: 'Slipway',
      MetricName,
      Dimensions: [{ Name: 'Model', Value: model }],
      StartTime: new Date(Date.now() - 3_600_000),
      EndTime: new Date(Date.now() + 60_000),
      Period: 3_600,
      Statistics: ['Maximum'],
    }),
  );
  const values = (Datapoints ?? []).flatMap(({ Maximum }) => Maximum ?? []);
  return values.length === 0 ? undefined : Math.max(...values);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-two-models-'));
  models = modelsFolder([moved, calm]);
  process.env['SLIPWAY_MODELS'] = models;
  laptop = await startLaptop(models);
  cloudwatch = new CloudWatchClient({});
  const file = join(folder, 'parcels.csv');
  writeFileSync(file, trainingCsv(4_000));
  for (const model of [moved, calm]) {
    const { code, stdout, stderr } = await laptop.cli('drop', model, file, '--wait');
    expect(code, stdout + stderr).toBe(0);
  }
});

afterAll(async () => {
  delete process.env['SLIPWAY_MODELS'];
  await laptop?.stop();
  rmSync(folder, { recursive: true, force: true });
  rmSync(models, { recursive: true, force: true });
});

describe('two models', () => {
  const heavy = parcels(600, 'heavy', 400);

  it('are both live', async () => {
    for (const model of [moved, calm]) {
      expect((await laptop.json('live', model)).version).toBe(1);
    }
  });

  it('share no alarm: drift of one leaves the other as it was', async () => {
    await predict(
      calm,
      parcels(600, 'usual').map(({ parcel }) => parcel),
    );
    await predict(
      moved,
      heavy.map(({ parcel }) => parcel),
    );
    await until(async () => {
      const { 'features-drifted': state } = await alarms(moved);
      return state === 'ALARM' ? state : undefined;
    }, 1_000);
    await until(async () => largest(calm, 'DriftedFeatures'), 1_000);
    expect(await largest(moved, 'DriftedFeatures')).toBeGreaterThan(0);
    expect(await largest(calm, 'DriftedFeatures')).toBe(0);
    expect(Object.values(await alarms(calm))).not.toContain('ALARM');
  });

  it('share no wish: one waits for labels, the other for nothing', async () => {
    const waiting = await until(async () => {
      const { retraining } = await laptop.json('status', moved);
      return retraining.wanted.length > 0 ? retraining : undefined;
    }, 1_000);
    expect(JSON.stringify(waiting)).toContain('labels');
    expect((await laptop.json('status', calm)).retraining.wanted).toEqual([]);
  });

  it('share no labels and no run: one trains anew by itself, the other does not', async () => {
    const before = await laptop.json('status', calm);
    const file = join(folder, 'labels.csv');
    writeFileSync(
      file,
      [
        'parcel_id,late',
        ...heavy.map(({ parcel, late }) => `${parcel.parcel_id},${late}`),
        '',
      ].join('\n'),
    );
    expect((await laptop.cli('labels', moved, file)).code).toBe(0);
    await until(async () => {
      const { version } = await laptop.json('live', moved);
      return version === 2 ? version : undefined;
    }, 1_000);
    expect((await laptop.json('live', calm)).version).toBe(1);
    expect((await laptop.json('status', calm)).runs).toEqual(before.runs);
    expect(await laptop.data.keys(`landing/${calm}/labelled/`)).toEqual([]);
    expect(await laptop.data.keys(`labels/${calm}/`)).toEqual([]);
    expect(await laptop.data.keys(`landing/${moved}/labelled/`)).not.toEqual([]);
    expect(Object.values(await alarms(calm))).not.toContain('ALARM');
  });

  it('are asked alike when one of them is served by tasks: the same URL, the same numbers', async () => {
    const instances = parcels(20, 'asked').map(({ parcel }) => parcel);
    const path = `/v1/models/${calm}:predict`;
    const byFunction = await post(path, { instances });
    serve(calm, { target: 'ecs', minimumTasks: 1 });
    const warmFrom = { cron: '0 7 ? * MON-FRI *', executions: 2 };
    serve(moved, { target: 'lambda', provisionedConcurrency: [warmFrom] });
    const { code, stdout, stderr } = await laptop.cli('deploy');
    expect(code, stdout + stderr).toBe(0);
    const byTask = await post(path, { instances });
    expect(byTask).toMatchObject({ status: 200, body: { model_version: '1' } });
    expect(byTask.body.predictions).toEqual(byFunction.body.predictions);
    expect(await post(path, { instances: [{}] })).toEqual({
      status: 400,
      body: { error: expect.stringContaining('instances[0].depot') },
    });
    // What it answered is in the log that monitoring reads, as what a function answers is.
    const [id] = byTask.body.prediction_ids ?? [];
    await until(async () => {
      const keys = await laptop.data.keys(`predictions/${calm}/`);
      const logged = await Promise.all(keys.map((key) => laptop.data.text(key)));
      return logged.some((lines) => lines.includes(id ?? '?')) ? true : undefined;
    }, 500);
    const roles = (await rolesInUse(laptop.endpoint)).filter(({ role }) =>
      /ParcelCalm EndpointService(Task|Execution)Role$/.test(role),
    );
    expect(roles).toHaveLength(2);
    expect(refusedCalls(roles)).toEqual([]);
    expect(ungrantedCalls(roles)).toEqual([]);
    // The other is asked by an alias now.
    expect((await post(`/v1/models/${moved}:predict`, { instances })).status).toBe(200);
  });
});
