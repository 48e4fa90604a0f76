// What a person decides about versions, through `slipway` and HTTP only: approval, rollback under load, retirement.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbVersionHealth } from '../../adapters/dynamodb-version-health.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { root } from './command-line.ts';
import { flightsCsv } from './flights.ts';
import { type Laptop, model, startLaptop } from './laptop.ts';

let folder: string;
let laptop: Laptop;
let token: string;

/** The flight-delay model, except that a person approves its versions. */
function modelThatIsApproved(): string {
  const place = join(folder, 'models', model);
  mkdirSync(place, { recursive: true });
  writeFileSync(join(folder, 'models', 'package.json'), '{ "type": "module" }');
  const from = (path: string) => relative(place, join(root, path));
  writeFileSync(
    join(place, 'model.ts'),
    `import { defineModel } from '${from('core/model/define-model.ts')}';
import flightDelay from '${from(`models/${model}/model.ts`)}';
export default defineModel({ ...flightDelay, delivery: { approval: 'manual' } });
`,
  );
  return join(folder, 'models');
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-delivery-'));
  process.env['SLIPWAY_MODELS'] = modelThatIsApproved();
  laptop = await startLaptop();
  token = (await laptop.json('token')).token;
});
afterAll(async () => {
  delete process.env['SLIPWAY_MODELS'];
  await laptop?.stop();
  if (folder) rmSync(folder, { recursive: true, force: true });
});

const instance = {
  date: '2001-03-05T00:00:00Z',
  origin: 'JFK',
  destination: 'LAX',
  distance: 2475,
};

async function ask(method: 'GET' | 'POST', path: string) {
  const reply = await fetch(`${laptop.api}/v1/models/${path}`, {
    method,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    ...(method === 'POST' && { body: JSON.stringify({ instances: [instance] }) }),
  });
  const body = (await reply.json()) as { model_version?: string; error?: string };
  return { status: reply.status, ...body };
}
const predict = () => ask('POST', `${model}:predict`);

/** Registers a version with the artifacts of another, as another training would have brought it. */
async function registerLike(first: number, version: number): Promise<void> {
  const registry = dynamodbRegistry({ tableName: laptop.tableName });
  const record = await registry.getVersion(model, first);
  const artifacts = s3Objects({ bucket: laptop.artifacts.bucket });
  const artifactsPrefix = `models/${model}/${version}/`;
  for (const name of Object.keys(record.artifacts)) {
    await artifacts.copy({ key: `${record.artifactsPrefix}${name}` }, `${artifactsPrefix}${name}`);
  }
  const trainingId = version.toString(16).padStart(64, '0');
  expect(await registry.reserveVersion(model, trainingId)).toMatchObject({ version });
  await registry.registerVersion({ ...record, version, trainingId, artifactsPrefix }, []);
}

interface Answer {
  readonly sentAt: number;
  readonly doneAt: number;
  readonly status: number;
  readonly version: string | undefined;
}

/** Callers that ask one after the other, each at once when it has its answer. */
function startLoad(callers: number) {
  const answers: Answer[] = [];
  let going = true;
  const caller = async () => {
    while (going) {
      const sentAt = Date.now();
      const { status, model_version: version } = await predict();
      answers.push({ sentAt, doneAt: Date.now(), status, version });
    }
  };
  const all = Array.from({ length: callers }, caller);
  return {
    answers,
    async stop(): Promise<void> {
      going = false;
      await Promise.all(all);
    },
  };
}

/** Processes that answer for the model at the moment. */
async function workers(): Promise<number> {
  const reply = await fetch(`${laptop.endpoint}/_laptop/lambda`);
  const environments = (await reply.json()) as { function: string }[];
  const name = await laptop.parameter(`models/${model}/predict-function`);
  return environments.filter((one) => one.function === name).length;
}

describe('a version that a person approves', () => {
  it('waits staged at the end of its run, and answers when it is approved', async () => {
    const file = join(folder, 'flights.csv');
    writeFileSync(file, flightsCsv({ rows: 2_000, seed: 1 }));
    const run = await laptop.cli('drop', model, file, '--wait', '--json');
    expect(run.code, run.stderr + run.stdout).toBe(5);
    expect(JSON.parse(run.stdout)).toMatchObject({ outcome: 'awaiting_approval', version: 1 });
    expect(await laptop.json('status', model)).toMatchObject({ live: null, staged: 1 });
    expect((await laptop.cli('status', model)).stdout).toContain(`slipway approve ${model} 1`);
    expect(await predict()).toMatchObject({ status: 404 });

    // The same data again: the version is there and waits, so that nothing is trained.
    expect(await laptop.json('train', model, '--wait')).toMatchObject({ outcome: 'unchanged' });

    const approved = await laptop.json('approve', model, '1', '--reason', 'looked at it');
    expect(approved).toMatchObject({ changed: true, before: { live: null, retired: false } });
    expect(await predict()).toMatchObject({ status: 200, model_version: '1' });
    expect(await laptop.json('approve', model, '1')).toMatchObject({ changed: false });
    expect((await laptop.cli('approve', model, '7')).code).toBe(2);
  });
});

describe('a rollback under load', () => {
  it('reaches every worker, refuses nobody, and no request after it is answered by the bad version', async () => {
    const health = dynamodbVersionHealth({ tableName: laptop.tableName });
    for (const version of [2, 3]) {
      await registerLike(1, version);
      await laptop.json('approve', model, String(version));
      await health.record(model, version, {
        answered: true,
        healthy: true,
        reason: 'nothing drifted',
        at: new Date().toISOString(),
      });
    }
    const load = startLoad(8);
    await sleep(3_000);
    const replicas = await workers();
    const done = await laptop.json('rollback', model, '--reason', 'answers are wrong');
    const confirmedAt = Date.now();
    await sleep(2_000);
    await load.stop();

    expect(done).toMatchObject({ from: 3, to: 2, changed: true });
    expect(replicas).toBeGreaterThan(1);
    const { answers } = load;
    const flippedAt = Date.parse(done.entry.at);
    const bad = answers.filter(({ version }) => version === '3');
    const last = Math.max(...bad.map(({ doneAt }) => doneAt));
    process.stdout.write(
      `rollback under load: ${answers.length} requests by 8 callers to ${replicas} workers, ${answers.filter(({ status }) => status !== 200).length} not answered with 200; ` +
        `the last answer by the bad version came ${((last - flippedAt) / 1_000).toFixed(2)} s after the entry, ` +
        `the first by the good one ${done.confirmed.firstSeconds.toFixed(2)} s, all confirmed after ${done.confirmed.seconds.toFixed(2)} s\n`,
    );
    expect(answers.filter(({ status }) => status !== 200)).toEqual([]);
    expect(new Set(answers.map(({ version }) => version))).toEqual(new Set(['3', '2']));
    const late = answers.filter(({ sentAt, version }) => sentAt > confirmedAt && version !== '2');
    expect(late).toEqual([]);
    const entries = await dynamodbLedger({ tableName: laptop.tableName }).entries(model);
    expect(entries.at(-1)).toMatchObject({ state: 'live', version: 2, rolledBackFrom: 3 });
    expect(entries.at(-2)).toMatchObject({ state: 'live', version: 3 });
  });
});

describe('a retired model', () => {
  it('answers 404, starts no run, keeps what is dropped, and comes back', async () => {
    await laptop.json('retire', model, '--reason', 'replaced');
    expect(await predict()).toMatchObject({
      status: 404,
      error: expect.stringContaining(`model ${model} is retired`),
    });
    expect((await laptop.cli('status', model)).stdout).toContain('retired, since');
    const file = join(folder, 'more.csv');
    writeFileSync(file, flightsCsv({ rows: 500, seed: 2 }));
    const refused = await laptop.cli('drop', model, file, '--wait');
    expect(refused.code).toBe(3);
    expect(refused.stderr).toContain(`slipway rollback ${model}`);
    expect(await laptop.data.keys(`landing/${model}/`)).toContain(`landing/${model}/more.csv`);
    expect(await laptop.json('status', model)).toMatchObject({ lock: null });

    expect(await laptop.json('approve', model, '1')).toMatchObject({
      before: { live: null, retired: true },
    });
    expect(await predict()).toMatchObject({ status: 200, model_version: '1' });
    const { history } = await laptop.json('live', model, '--history');
    expect(history.map(({ state }: { state: string }) => state)).toEqual(
      'staged live live live live retired live'.split(' '),
    );
  });
});

describe('a download', () => {
  it('brings every artifact and the lineage, or nothing', async () => {
    const to = join(folder, 'downloaded');
    const done = await laptop.json('download', model, '1', '--to', to);
    expect(readdirSync(to).toSorted()).toEqual(
      [...done.files.map(({ name }: { name: string }) => name), 'lineage.json'].toSorted(),
    );
    await laptop.artifacts.put(`models/${model}/2/metrics.json`, '{}');
    const spoilt = await laptop.cli('download', model, '2', '--to', join(folder, 'spoilt'));
    expect(spoilt.code).toBe(1);
    expect(spoilt.stderr).toContain(`models/${model}/2/metrics.json has SHA-256`);
    expect(readdirSync(folder).filter((name) => name.includes('spoilt'))).toEqual([]);
  });
});
