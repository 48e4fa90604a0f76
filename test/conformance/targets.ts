// Doors with two small models behind them, for clients that were not written here.
import { spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { FirehoseClient, ListDeliveryStreamsCommand } from '@aws-sdk/client-firehose';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { modelStackName } from '../../core/model/stack-names.ts';
import { columnsVersion, type Parcel, parcelPrediction } from '../builders/columns-version.ts';
import { type BuiltVersion, modelVersion } from '../builders/model-version.ts';
import { type LinearModel, linearPrediction } from '../builders/onnx-model.ts';
import { root, startSlipway } from '../e2e/command-line.ts';
import { type Laptop, startLaptop, until } from '../e2e/laptop.ts';
import { modelsFolder } from '../e2e/parcels.ts';

/** A model, some of its rows, and what is to be answered to them. */
export interface Expectation {
  readonly name: string;
  readonly rows: readonly object[];
  readonly predictions: readonly number[];
}

/** One door: where it is, and what lets a client in. */
export interface Target {
  readonly door: string;
  /** Without a slash at its end. */
  readonly url: string;
  readonly token?: string;
  /** Of a caller who may do nothing with these models. */
  readonly otherToken?: string;
  /** All inputs are numbers, so that one matrix says them too. */
  readonly numbers: Expectation;
  /** Every type of column there is, under names that no program would choose. */
  readonly columns: Expectation;
}

const graph: LinearModel = { weights: [0.01, -0.2], bias: 0.5 };
const numberRows = [1, 17.25, 120, 299.5].map((length, items) => ({ length, items }));
const columnRows: readonly Parcel[] = [
  { 'Length (cm)': 12.5, 'fragile?': true, 'sent.at': '2026-05-31T14:30:00Z', carrier: 'north' },
  {
    'Length (cm)': 80,
    'fragile?': false,
    'sent.at': '2026-06-01T00:00:00Z',
    carrier: 'Sjælland ✈',
  },
];

const targets = ['lambda', 'ecs'] as const;
type ServingTarget = (typeof targets)[number];

/** The same two models, where it is they are served. */
const modelsOn = (target: ServingTarget) => ({
  numbers: {
    name: `${target}-numbers`,
    rows: numberRows,
    predictions: numberRows.map(({ length, items }) => linearPrediction(graph, [length, items])),
  },
  columns: {
    name: `${target}-columns`,
    rows: columnRows,
    predictions: columnRows.map(parcelPrediction),
  },
});

/** Registers a version as the pipeline does, and has it answer. */
async function goLive({ tableName, artifacts }: Laptop, built: BuiltVersion): Promise<void> {
  const { record, objects } = built;
  const { model, version, runId, trainingId, registeredAt: at } = record;
  const bucket = s3Objects({ bucket: artifacts.bucket });
  for (const [key, bytes] of objects) await bucket.put(key, bytes);
  const registry = dynamodbRegistry({ tableName });
  const trigger = { kind: 'person', by: 'conformance' } as const;
  await registry.putRun({ model, runId, trigger, status: 'RUNNING', reasons: [], startedAt: at });
  await registry.reserveVersion(model, trainingId);
  await registry.registerVersion(record, []);
  const ledger = dynamodbLedger({ tableName });
  for (const state of ['staged', 'live'] as const) {
    await ledger.append({ model, state, version, reason: 'conformance', by: state, at });
  }
}

/** One that nobody uses yet. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}

/** The stream that the model's stack has for its prediction log. */
async function predictionStreamOf(model: string): Promise<string> {
  const { DeliveryStreamNames = [] } = await new FirehoseClient().send(
    new ListDeliveryStreamsCommand(),
  );
  const stack = modelStackName('local', model);
  const stream = DeliveryStreamNames.find((name) => name.startsWith(`${stack}-`));
  if (stream === undefined) throw new Error(`${stack} has no stream: ${DeliveryStreamNames}`);
  return stream;
}

async function startServer({ tableName, artifacts }: Laptop, names: readonly string[]) {
  const port = await freePort();
  const log: string[] = [];
  const models = names.map(async (name) => {
    return { name, predictionStream: await predictionStreamOf(name) };
  });
  const MODELS = JSON.stringify(await Promise.all(models));
  const child = spawn(process.execPath, [join(root, 'containers/inference-server/main.ts')], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      ...process.env,
      MODELS,
      REGISTRY_TABLE: tableName,
      ARTIFACTS_BUCKET: artifacts.bucket,
      PORT: String(port),
      WORKER_THREADS: '0',
    },
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => log.push(chunk.toString()));
  }
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const url = `http://127.0.0.1:${port}`;
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`the server ended:\n${log.join('')}`);
    return (await areReady(url, names)) ? true : undefined;
  });
  return {
    url,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}

async function areReady(url: string, names: readonly string[], token = ''): Promise<boolean> {
  const headers = { authorization: `Bearer ${token}` };
  const replies = names.map((name) => fetch(`${url}/v2/models/${name}/ready`, { headers }));
  const settled = await Promise.allSettled(replies);
  return settled.every((reply) => reply.status === 'fulfilled' && reply.value.ok);
}

/** What signs for clients that cannot: as a person starts it. */
async function startProxy({ endpoint }: Laptop) {
  const { port } = new URL(endpoint);
  const command = startSlipway(['proxy', '--cloud', port, '--port', '0', '--json']);
  const [, url = ''] = await command.saying(/"url": "(http:[^"]+)"/);
  return {
    url,
    async stop() {
      command.interrupt();
      await command.finished;
    },
  };
}

const namesOf = ({ numbers, columns }: Pick<Target, 'numbers' | 'columns'>): string[] => [
  numbers.name,
  columns.name,
];

/** Doors to the laptop cloud, once its models answer behind them. */
async function doorsOf(laptop: Laptop, stops: (() => unknown)[]): Promise<readonly Target[]> {
  const onLambda = modelsOn('lambda');
  const onTasks = modelsOn('ecs');
  for (const { numbers, columns } of [onLambda, onTasks]) {
    await goLive(laptop, modelVersion(1, graph, numbers.name));
    await goLive(laptop, columnsVersion(1, columns.name));
  }
  const { token } = await laptop.json('token');
  const { token: otherToken } = await laptop.json('token', '--scope', 'other:predict');
  const server = await startServer(laptop, namesOf(onLambda));
  stops.push(() => server.stop());
  const proxy = await startProxy(laptop);
  stops.push(() => proxy.stop());
  const url = laptop.api;
  // A task sees within a second or two what went live.
  await until(async () => ((await areReady(url, namesOf(onTasks), token)) ? true : undefined));
  return [
    { door: 'Lambda behind API Gateway', url, token, otherToken, ...onLambda },
    { door: 'ECS behind API Gateway', url, token, otherToken, ...onTasks },
    { door: 'slipway proxy', url: proxy.url, ...onLambda },
    { door: 'inference server', url: server.url, ...onLambda },
  ];
}

/** A laptop cloud of its own with the models behind its API, and a server's process beside it. */
export async function startTargets() {
  const names = targets.flatMap((target) => namesOf(modelsOn(target)));
  const folder = modelsFolder(names, (name) =>
    name.startsWith('ecs') ? { target: 'ecs', minimumTasks: 1 } : { target: 'lambda' },
  );
  const stops: (() => unknown)[] = [() => rmSync(folder, { recursive: true, force: true })];
  const stop = async (): Promise<void> => {
    for (const end of stops.reverse()) await end();
  };
  try {
    const laptop = await startLaptop(folder);
    stops.push(() => laptop.stop());
    return { targets: await doorsOf(laptop, stops), laptop, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
