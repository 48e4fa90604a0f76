import { type ChildProcess, spawn } from 'node:child_process';
import { Agent, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { CreateDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import type { ServedModelSettingsInput } from '../../core/inference/server-settings.ts';
import { type ServedRegistry, startServedRegistry } from '../bench/served-registry.ts';
import { type LinearModel, linearModel, linearPrediction } from '../builders/onnx-model.ts';

const model = 'parcel-weight';
const graphs: Record<number, LinearModel> = {
  1: { weights: [0.01, -0.2], bias: 0.5 },
  2: { weights: [0.03, 0.1], bias: -1 },
  3: { weights: [0.5, 0.5], bias: 0 },
};
const main = join(import.meta.dirname, '..', '..', 'containers', 'inference-server', 'main.ts');

interface Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

interface Server {
  readonly process: ChildProcess;
  readonly port: number;
  readonly ended: Promise<number | null>;
  readonly output: () => string;
  readonly agent: Agent;
}

let registry: ServedRegistry;
const servers: Server[] = [];

async function until<T>(ask: () => Promise<T | undefined> | T | undefined): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function startServer(
  own: Pick<ServedModelSettingsInput, 'batching'> = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Server> {
  const settings: ServedModelSettingsInput = {
    ...{ name: model, predictionStream: 'predictions', ...own },
  };
  const child = spawn(process.execPath, [main], {
    env: {
      PATH: process.env['PATH'],
      ...registry.env,
      MODELS: JSON.stringify([settings]),
      REGISTRY_TABLE: registry.tableName,
      ARTIFACTS_BUCKET: registry.bucket,
      PORT: '0',
      WORKER_THREADS: '1',
      ...env,
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('exit', resolve);
  });
  const port = await until(() => {
    const line = output.split('\n').find((text) => text.includes('"listening"'));
    return line === undefined ? undefined : Number(JSON.parse(line).port);
  });
  const agent = new Agent({ keepAlive: true });
  const server = { process: child, port, ended, output: () => output, agent };
  servers.push(server);
  return server;
}

function call(
  { agent, port }: Server,
  path: string,
  body?: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST';
    const asked = httpRequest({ agent, port, path, method, headers }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () => {
        const { statusCode: status = 0, headers: received } = response;
        resolve({ status, headers: received, body: Buffer.concat(chunks).toString() });
      });
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

const infer = `/v2/models/${model}/infer`;
const tensor = (...rows: (readonly [number, number])[]) =>
  JSON.stringify({
    inputs: [{ name: 'instances', shape: [rows.length, 2], datatype: 'FP64', data: rows.flat() }],
  });

interface Answer {
  readonly version: number;
  readonly predictions: readonly number[];
  readonly ids: readonly string[];
}

function answerOf({ status, body }: Reply): Answer {
  expect({ status, body: status === 200 ? '' : body }).toEqual({ status: 200, body: '' });
  const reply: { model_version: string; outputs: { name: string; data: never[] }[] } =
    JSON.parse(body);
  const output = (name: string) => reply.outputs.find((one) => one.name === name)?.data ?? [];
  return {
    version: Number(reply.model_version),
    predictions: output('prediction'),
    ids: output('prediction_id'),
  };
}

/** Whatever version it says it is, that one's numbers it has. */
function expectRight({ version, predictions }: Answer, rows: readonly (readonly number[])[]): void {
  const graph = graphs[version];
  expect(predictions).toHaveLength(rows.length);
  for (const [index, row] of rows.entries()) {
    expect(predictions[index]).toBeCloseTo(graph ? linearPrediction(graph, row) : Number.NaN, 5);
  }
}

async function ask(server: Server, ...rows: (readonly [number, number])[]): Promise<Answer> {
  const answer = answerOf(await call(server, infer, tensor(...rows)));
  expectRight(answer, rows);
  return answer;
}

async function register(version: number): Promise<void> {
  const graph = graphs[version] ?? { weights: [0, 0], bias: 0 };
  const rows = [
    [1, 2],
    [10, -4],
  ];
  const answers = rows.map((row) => linearPrediction(graph, row));
  await registry.register({ model, version, onnx: linearModel(graph), rows, answers });
}

beforeAll(async () => {
  registry = await startServedRegistry();
  await new S3Client().send(new CreateBucketCommand({ Bucket: 'data' }));
  await new FirehoseClient().send(
    new CreateDeliveryStreamCommand({
      DeliveryStreamName: 'predictions',
      DeliveryStreamType: 'DirectPut',
      ExtendedS3DestinationConfiguration: {
        BucketARN: 'arn:aws:s3:::data',
        RoleARN: 'arn:aws:iam::000000000000:role/firehose',
        Prefix: 'predictions/',
        BufferingHints: { IntervalInSeconds: 1, SizeInMBs: 1 },
      },
    }),
  );
});
afterAll(async () => {
  for (const { process: child, agent } of servers) {
    agent.destroy();
    child.kill('SIGKILL');
  }
  await registry?.stop();
});

describe('the inference server', () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer();
  });

  test('is ready while there is nothing live yet, and says what to do', async () => {
    expect(await call(server, '/v2/health/live')).toMatchObject({ status: 200 });
    await until(async () =>
      (await call(server, '/v2/health/ready')).status === 200 ? 1 : undefined,
    );
    expect(await call(server, infer, tensor([1, 2]))).toMatchObject({
      status: 404,
      headers: { 'content-type': 'application/json' },
      body: expect.stringContaining('has no live version yet'),
    });
  });

  test('answers with the live version, and with the next one soon after it has gone live', async () => {
    for (const version of [1, 2]) {
      await register(version);
      await registry.enter('staged', model, version);
      await registry.enter('live', model, version);
      const wentLiveAt = performance.now();
      await until(async () => {
        const reply = await call(server, infer, tensor([3, 4]));
        if (version === 1 && reply.status === 404) return undefined;
        const answer = answerOf(reply);
        expectRight(answer, [[3, 4]]);
        return answer.version === version ? answer : undefined;
      });
      expect(performance.now() - wentLiveAt).toBeLessThan(20_000);
    }
  });

  test('answers many at a time, each with its own rows', async () => {
    const asked = Array.from({ length: 200 }, (_, n) =>
      Array.from({ length: 1 + (n % 5) }, (_unused, row) => [n, row - n] as const),
    );
    const answers = await Promise.all(asked.map((rows) => ask(server, ...rows)));
    const ids = answers.flatMap((answer) => answer.ids);
    expect(new Set(ids).size).toBe(ids.length);
  });

  test('refuses a version whose artifact is another than was registered; the former goes on', async () => {
    await register(3);
    await registry.overwrite(
      `models/${model}/3/model.onnx`,
      linearModel({ weights: [9, 9], bias: 9 }),
    );
    await registry.enter('staged', model, 3);
    await registry.enter('live', model, 3);
    await until(() => (server.output().includes('CorruptVersionError') ? 1 : undefined));
    expect((await ask(server, [5, 6])).version).toBe(2);
    expect(await call(server, '/v2/health/ready')).toMatchObject({ status: 200 });
    await registry.enter('live', model, 2);
  });

  test('takes a body whatever it is called, and compressed', async () => {
    const body = tensor([7, 8]);
    const forms: [string | Buffer, Record<string, string>][] = [
      [body, {}],
      [body, { 'content-type': 'application/octet-stream' }],
      [body, { 'content-type': 'text/plain; charset=latin1' }],
      [gzipSync(body), { 'content-encoding': 'gzip' }],
    ];
    for (const [bytes, headers] of forms) {
      expectRight(answerOf(await call(server, infer, bytes, headers)), [[7, 8]]);
    }
  });

  test('tells every failure in one form', async () => {
    const large = Buffer.alloc(4 * 1024 * 1024 + 1, 32);
    const refused: [number, Promise<Reply>][] = [
      [400, call(server, infer, '{')],
      [400, call(server, infer, Buffer.from([0x1f, 0x8b, 0]), { 'content-encoding': 'gzip' })],
      [404, call(server, '/nowhere')],
      [404, call(server, '/%')],
      [405, call(server, infer)],
      [413, call(server, infer, large)],
      [413, call(server, infer, gzipSync(large), { 'content-encoding': 'gzip' })],
      [415, call(server, infer, tensor([1, 2]), { 'content-encoding': 'br' })],
    ];
    for (const [status, reply] of refused) {
      const { body, ...rest } = await reply;
      expect(rest).toMatchObject({ status, headers: { 'content-type': 'application/json' } });
      expect(JSON.parse(body)).toEqual({ error: expect.any(String) });
    }
  });

  test('tells what is no HTTP so, in that form too', async () => {
    const said = await new Promise<string>((resolve, reject) => {
      const socket = connect(server.port, '127.0.0.1', () => socket.write('hello\r\n\r\n'));
      let received = '';
      socket.setEncoding('utf8').on('data', (text) => {
        received += text;
      });
      socket.on('end', () => resolve(received)).on('error', reject);
    });
    expect(said).toMatch(/^HTTP\/1.1 400 .*\r\n\r\n\{"error":".*"\}$/s);
  });

  test('measures: latencies by the second, and work that waits even where there is none', async () => {
    const measured = (name: string) => () =>
      server
        .output()
        .split('\n')
        .find((line) => line.includes(`"Name":"${name}"`));
    const latencies = JSON.parse(await until(measured('PredictionLatencyMs')));
    expect(latencies).toMatchObject({ Model: model });
    expect(latencies.PredictionLatencyMs.length).toBeGreaterThan(0);
    expect(JSON.parse(await until(measured('QueuedWorkMs'))).QueuedWorkMs).toBeGreaterThanOrEqual(
      0,
    );
  });

  test('sends callers away who are too many, with the time to come again, and answers all others', async () => {
    const small = await startServer({ batching: { maximumRows: 1, maximumQueuedRows: 2 } });
    await until(async () =>
      (await call(small, infer, tensor([1, 1]))).status === 200 ? 1 : undefined,
    );
    const refused = await until(async () => {
      const replies = await Promise.all(
        Array.from({ length: 60 }, (_, n) => call(small, infer, tensor([n, 1]))),
      );
      for (const [n, reply] of replies.entries()) {
        if (reply.status !== 503) expectRight(answerOf(reply), [[n, 1]]);
      }
      return replies.find(({ status }) => status === 503);
    });
    expect(refused.headers['retry-after']).toMatch(/^[1-9][0-9]*$/);
    expect(JSON.parse(refused.body)).toEqual({ error: expect.stringContaining('try again') });
    small.process.kill('SIGTERM');
    expect(await small.ended).toBe(0);
  });

  test('sends callers away unread whom it is too late for, and says all the time that it is ready', async () => {
    const busy = await startServer({}, { QUEUE_LIMIT_MS: '25' });
    await until(async () =>
      (await call(busy, infer, tensor([1, 1]))).status === 200 ? 1 : undefined,
    );
    const refused = await until(async () => {
      // Whatever keeps it from reading: requests come meanwhile.
      busy.process.kill('SIGSTOP');
      const replies = Array.from({ length: 40 }, (_, n) => call(busy, infer, tensor([n, 1])));
      const ready = call({ ...busy, agent: new Agent() }, '/v2/health/ready');
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      busy.process.kill('SIGCONT');
      expect(await ready).toMatchObject({ status: 200 });
      const unread: Reply[] = [];
      for (const [n, reply] of (await Promise.all(replies)).entries()) {
        if (reply.status === 503) unread.push(reply);
        else expectRight(answerOf(reply), [[n, 1]]);
      }
      return unread.find(({ body }) => body.includes('can be read in time'));
    });
    expect(refused.headers).toMatchObject({
      'content-type': 'application/json',
      'retry-after': expect.stringMatching(/^[1-9][0-9]*$/),
    });
    await until(() => (/"refused":\{[^}]*"503":/.test(busy.output()) ? 1 : undefined));
    // What made it late is over.
    await until(async () =>
      (await call(busy, infer, tensor([2, 1]))).status === 200 ? 1 : undefined,
    );
    busy.process.kill('SIGTERM');
    expect(await busy.ended).toBe(0);
  });

  test('asked to end under load, it answers all that it was asked, logs it, and ends', async () => {
    const ids: string[] = [];
    let isReady = true;
    const callers = Array.from({ length: 8 }, async (_, caller) => {
      for (let n = 0; isReady; n += 1) ids.push(...(await ask(server, [caller, n])).ids);
    });
    await until(() => (ids.length > 200 ? 1 : undefined));
    // Connected in advance, as proxies do, without a request: it must not keep the server from its end.
    const unused = connect(server.port, '127.0.0.1').on('error', () => undefined);
    await new Promise((resolve) => unused.once('connect', resolve));
    server.process.kill('SIGTERM');
    // As a load balancer does: who is not ready any more is asked no more.
    await until(async () =>
      (await call(server, '/v2/health/ready')).status === 503 ? 1 : undefined,
    );
    isReady = false;
    await Promise.all(callers);
    expect(await server.ended).toBe(0);
    unused.destroy();
    const data = s3Objects({ bucket: 'data' });
    const logged = await until(async () => {
      const records: PredictionRecord[] = [];
      for (const { key } of await data.list('predictions/')) {
        const lines = Buffer.from(await data.get(key))
          .toString()
          .trimEnd()
          .split('\n');
        records.push(...lines.map((line) => PredictionRecord.parse(JSON.parse(line))));
      }
      const found = new Set(records.map(({ predictionId }) => predictionId));
      return ids.every((id) => found.has(id)) ? records : undefined;
    });
    expect(new Set(logged.map(({ predictionId }) => predictionId)).size).toBe(logged.length);
  });
});
