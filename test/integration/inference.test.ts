import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import type { APIGatewayProxyEvent, Context } from 'aws-lambda';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { functionIdentity } from '../../adapters/aws-identity.ts';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { firehosePredictionLog } from '../../adapters/firehose-prediction-log.ts';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { LabelRecord, PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import type { ModelDefinitionInput } from '../../core/model/define-model.ts';
import { type Cloud, startCloud } from '../../local/cloud.ts';
import { columnsVersion, parcelPrediction } from '../builders/columns-version.ts';
import { modelVersion } from '../builders/model-version.ts';
import { type LinearModel, linearModel, linearPrediction } from '../builders/onnx-model.ts';
import { eventually } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

const model = 'parcel-weight';
const definition: ModelDefinitionInput = {
  name: model,
  data: {
    columns: {
      parcel_id: { type: 'string' },
      length: { type: 'number', minimum: 0, maximum: 300 },
      items: { type: 'integer', nullable: true },
      sent: { type: 'timestamp' },
      heavy: { type: 'integer', allowed: [0, 1] },
    },
    label: 'heavy',
    entityKey: 'parcel_id',
    eventTime: 'sent',
  },
  features: {
    declared: {
      length: { transform: 'numeric', column: 'length' },
      items: { transform: 'numeric', column: 'items' },
    },
  },
  training: { trainer: 'xgboost' },
  evaluation: {
    task: 'binary_classification',
    metric: 'auc',
    holdout: { by: 'time', days: 1 },
    mustBeatBaselineBy: 0.05,
  },
  serving: { target: 'lambda' },
  delivery: { approval: 'automatic' },
};
const graphs: Record<number, LinearModel> = {
  1: { weights: [0.01, -0.2], bias: 0.5 },
  2: { weights: [0.03, 0.1], bias: -1 },
  3: { weights: [0, 0], bias: 0 },
};

type Handler = (
  event: APIGatewayProxyEvent,
  context: Context,
) => Promise<{ statusCode: number; headers?: object; body: string }>;
const own = () => functionIdentity(process.env);
const context = { awsRequestId: 'request-1', functionName: 'test' } as Context;

let cloud: Cloud;
let data: S3Objects;
let artifacts: S3Objects;
let taskRoot: string;
let predictHandler: Handler;
let feedbackHandler: Handler;

async function send(
  handler: Handler,
  httpMethod: string,
  path: string,
  body: string | null,
  isBase64Encoded = false,
  headers: Record<string, string> = {},
) {
  const requestContext = { requestId: 'gateway-1' };
  const event = { httpMethod, path, headers, body, isBase64Encoded, requestContext };
  const reply = await handler(event as unknown as APIGatewayProxyEvent, context);
  return { status: reply.statusCode, headers: reply.headers, body: JSON.parse(reply.body) };
}
const call = (handler: Handler, method: string, path: string, body: unknown = null) =>
  send(handler, method, path, body === null ? null : JSON.stringify(body));
const predict = (...instances: object[]) =>
  call(predictHandler, 'POST', `/v1/models/${model}:predict`, { instances });

async function makeState(): Promise<void> {
  const s3 = new S3Client();
  for (const Bucket of ['data', 'artifacts']) await s3.send(new CreateBucketCommand({ Bucket }));
  await createRegistryTable(cloud, 'registry');
  await new FirehoseClient().send(
    new CreateDeliveryStreamCommand({
      DeliveryStreamName: 'predictions',
      DeliveryStreamType: 'DirectPut',
      ExtendedS3DestinationConfiguration: {
        BucketARN: 'arn:aws:s3:::data',
        RoleARN: `arn:aws:iam::${cloud.accountId}:role/firehose`,
        Prefix: `predictions/${model}/`,
        BufferingHints: { IntervalInSeconds: 1, SizeInMBs: 1 },
      },
    }),
  );
}

/** Registers a version as the pipeline does, with its artifacts in S3. */
async function register(
  version: number,
  built = modelVersion(version, graphs[version] ?? { weights: [], bias: 0 }),
): Promise<void> {
  const { record, objects } = built;
  for (const [key, bytes] of objects) await artifacts.put(key, bytes);
  const registry = dynamodbRegistry({ tableName: 'registry' });
  await registry.putRun({
    model,
    runId: record.runId,
    trigger: { kind: 'person', by: 'test' },
    status: 'RUNNING',
    reasons: [],
    startedAt: record.registeredAt,
  });
  expect(await registry.reserveVersion(model, record.trainingId)).toMatchObject({ version });
  await registry.registerVersion(record, []);
}

let appended = 0;
async function enter(state: 'staged' | 'live' | 'retired', version: number): Promise<void> {
  appended += 1;
  await dynamodbLedger({ tableName: 'registry' }).append({
    model,
    state,
    version,
    reason: 'test',
    by: `test-${appended}`,
    at: new Date().toISOString(),
  });
}

beforeAll(async () => {
  cloud = await startCloud();
  taskRoot = mkdtempSync(join(tmpdir(), 'task-root-'));
  writeFileSync(join(taskRoot, 'model.json'), canonicalJson(definition));
  Object.assign(process.env, cloud.env, {
    MODEL_NAME: model,
    REGISTRY_TABLE: 'registry',
    DATA_BUCKET: 'data',
    ARTIFACTS_BUCKET: 'artifacts',
    PREDICTION_STREAM: 'predictions',
    LAMBDA_TASK_ROOT: taskRoot,
  });
  data = s3Objects({ bucket: 'data' });
  artifacts = s3Objects({ bucket: 'artifacts' });
  await makeState();
  predictHandler = (await import('../../lambdas/inference/predict.handler.ts')).handler as Handler;
  feedbackHandler = (await import('../../lambdas/monitoring/receive-feedback.handler.ts'))
    .handler as Handler;
});
afterAll(async () => {
  await cloud?.stop();
  if (taskRoot) rmSync(taskRoot, { recursive: true, force: true });
});

describe('the endpoint', () => {
  const predictions = (graph: LinearModel | undefined, length: number) =>
    graph && linearPrediction(graph, [length, 1]);

  test('says that nothing is live, and what to do, until the ledger names a version', async () => {
    expect(await call(predictHandler, 'GET', `/v1/models/${model}`)).toMatchObject({
      status: 200,
      body: { name: model, ready: false },
    });
    expect(await predict({ length: 1, items: 1 })).toMatchObject({
      status: 404,
      body: { error: expect.stringContaining('has no live version yet') },
    });
  });

  test('answers with the live version, and logs each prediction', async () => {
    await register(1);
    await enter('staged', 1);
    await enter('live', 1);
    const reply = await eventually(async () => {
      const answer = await predict({ length: 10, items: 1, parcel_id: 'p-1' }, { length: 20 });
      return answer.status === 200 ? answer : undefined;
    });
    expect(reply.body).toMatchObject({ model_name: model, model_version: '1' });
    expect(reply.body.predictions[0]).toBeCloseTo(predictions(graphs[1], 10) ?? 0, 6);
    expect(await call(predictHandler, 'GET', `/v1/models/${model}`)).toMatchObject({
      body: { name: model, ready: true, model_version: '1' },
    });
    const lines = await eventually(async () => {
      const [first] = await data.list(`predictions/${model}/`);
      return first && (await data.get(first.key)).toString().trimEnd().split('\n');
    });
    const records = lines.map((line) => PredictionRecord.parse(JSON.parse(line)));
    expect(records.map(({ predictionId }) => predictionId)).toEqual(reply.body.prediction_ids);
    expect(records[0]).toMatchObject({
      version: 1,
      entityKey: 'p-1',
      requestId: 'gateway-1',
      prediction: reply.body.predictions[0],
    });
  });

  test.each([
    ['POST', `/v1/models/${model}:predict`, { instances: [{ length: 'x' }] }, 400, /length/],
    ['POST', `/v1/models/${model}:predict`, null, 400, /the body is empty/],
    ['POST', '/v1/models/other:predict', {}, 404, /use POST \/v1\/models\/parcel-weight:predict/],
    ['DELETE', `/v1/models/${model}`, null, 405, /takes GET \(received DELETE\)/],
  ])('answers %s %s %j with %i', async (method, path, body, status, text) => {
    const reply = await call(predictHandler, method, path, body);
    expect(reply.status).toBe(status);
    expect(reply.body.error).toMatch(text);
    expect(reply.headers).toMatchObject({ 'Content-Type': 'application/json' });
  });

  test('logs what a request says it is for, and refuses what it does not know', async () => {
    const ask = (purpose: string) => {
      const body = JSON.stringify({ instances: [{ length: 10, items: null, parcel_id: 'p-9' }] });
      const headers = { 'X-Slipway-Purpose': purpose };
      return send(predictHandler, 'POST', `/v1/models/${model}:predict`, body, false, headers);
    };
    const refused = await ask('test');
    expect(refused).toMatchObject({ status: 400 });
    expect(refused.body.error).toBe(
      "the header x-slipway-purpose: send parity, or leave it out (received 'test')",
    );
    const answered = await ask('parity');
    const [id] = answered.body.prediction_ids;
    const record = await eventually(async () => {
      const files = await data.list(`predictions/${model}/`);
      const texts = await Promise.all(
        files.map(async ({ key }) => (await data.get(key)).toString()),
      );
      const line = texts.flatMap((text) => text.split('\n')).find((each) => each.includes(id));
      return line && PredictionRecord.parse(JSON.parse(line));
    });
    expect(record).toMatchObject({ predictionId: id, purpose: 'parity' });
  });

  test('answers or refuses whatever is sent, and never fails', async () => {
    const path = `/v1/models/${model}:predict`;
    const valid = '{"instances": [{"length": 1.5, "items": 2, "parcel_id": "a"}, {"length": 3}]}';
    const mutated = fc
      .tuple(fc.nat(valid.length), fc.nat(6), fc.string({ maxLength: 4 }))
      .map(([at, cut, insert]) => valid.slice(0, at) + insert + valid.slice(at + cut));
    const values = fc
      .array(fc.record({ length: fc.double(), items: fc.option(fc.maxSafeInteger()) }))
      .map((instances) => JSON.stringify({ instances }));
    const bytes = fc.uint8Array({ maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, values, fc.json(), bytes), async (sent) => {
        const encoded = typeof sent !== 'string';
        const body = encoded ? Buffer.from(sent).toString('base64') : sent;
        const reply = await send(predictHandler, 'POST', path, body, encoded);
        expect([200, 400]).toContain(reply.status);
        if (reply.status === 400) expect(reply.body.error).toBeTypeOf('string');
        else for (const p of reply.body.predictions) expect(p).toBeTypeOf('number');
      }),
      { numRuns: 500 },
    );
  });

  test('answers with a new version within two seconds of its going live', async () => {
    await register(2);
    await enter('staged', 2);
    await enter('live', 2);
    const changedAt = Date.now();
    const versionAt = async () => {
      const { body } = await predict({ length: 10, items: 1 });
      return Date.now() - changedAt >= 2_000 ? body : undefined;
    };
    const body = await eventually(versionAt);
    expect(body.model_version).toBe('2');
    expect(body.predictions[0]).toBeCloseTo(predictions(graphs[2], 10) ?? 0, 6);
  });

  test('goes on with the previous version when an artifact of the new one was changed', async () => {
    await register(3);
    await artifacts.put(`models/${model}/3/model.onnx`, linearModel({ weights: [1, 1], bias: 9 }));
    await enter('live', 3);
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    const { status, body } = await predict({ length: 10, items: 1 });
    expect(status).toBe(200);
    expect(body.model_version).toBe('2');
  });
});

describe('a version of raw columns', () => {
  test('answers after one of features, asks for other columns, and goes back without a trace', async () => {
    await register(4, columnsVersion(4));
    await enter('live', 4);
    const parcel = {
      'Length (cm)': 12.5,
      'fragile?': true,
      'sent.at': '2026-05-31T16:30:00+02:00',
      carrier: 'south',
    };
    const body = await eventually(async () => {
      const reply = await predict(parcel, { carrier: null });
      return reply.status === 200 ? reply.body : undefined;
    });
    expect(body.model_version).toBe('4');
    expect(body.predictions[0]).toBeCloseTo(parcelPrediction(parcel), 5);
    expect(body.predictions[1]).toBeCloseTo(parcelPrediction({}), 5);
    const refused = await predict({ length: 10, items: 1 });
    expect(refused.status).toBe(400);
    expect(JSON.stringify(refused.body)).toContain('Length (cm)');
    await enter('live', 2);
    await eventually(async () => {
      const { body: answer } = await predict({ length: 10, items: 1 });
      return answer.model_version === '2' ? true : undefined;
    });
  });
});

describe('a retired model', () => {
  test('answers 404 with what to do, and answers again once a version is live', async () => {
    await enter('retired', 3);
    const refused = await eventually(async () => {
      const reply = await predict({ length: 10, items: 1 });
      return reply.status === 200 ? undefined : reply;
    });
    const told = {
      status: 404,
      body: { error: expect.stringMatching(/is retired.*slipway approve/) },
    };
    expect(refused).toMatchObject(told);
    expect(await call(predictHandler, 'GET', `/v1/models/${model}`)).toMatchObject(told);
    await enter('live', 1);
    const back = await eventually(async () => {
      const reply = await predict({ length: 10, items: 1 });
      return reply.status === 200 ? reply : undefined;
    });
    expect(back.body.model_version).toBe('1');
  });
});

describe('the prediction log', () => {
  const records = Array.from(
    { length: 3 },
    (_, row): PredictionRecord => ({
      predictionId: `${model}-v1-${'0'.repeat(32)}-${row}`,
      requestId: 'gateway-1',
      model,
      version: 1,
      predictedAt: '2026-01-01T00:00:00.000Z',
      entityKey: null,
      inputs: {},
      features: {},
      prediction: 0.5,
      latencyMs: 1,
    }),
  );

  test('counts what Firehose refuses, and does not fail', async () => {
    const log = firehosePredictionLog({
      stream: 'no-such-stream',
      deadlineMs: 60_000,
      identity: own(),
    });
    expect(await log.put(records)).toMatchObject({
      sent: 0,
      late: 0,
      failed: 3,
      error: { name: 'ResourceNotFoundException' },
    });
  });

  test('counts what is too large for Firehose and sends the rest', async () => {
    const log = firehosePredictionLog({
      stream: 'predictions',
      deadlineMs: 60_000,
      identity: own(),
    });
    const [first] = records;
    if (!first) throw new Error('unreachable');
    const huge = { ...first, inputs: { text: 'x'.repeat(1_100_000) } };
    expect(await log.put([...records, huge])).toEqual({ sent: 3, late: 0, failed: 1 });
  });

  test('does not keep a reply waiting for a Firehose that hangs', async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const hanging = { AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
    const log = firehosePredictionLog({
      ...{ stream: 'predictions', deadlineMs: 20 },
      identity: functionIdentity({ ...hanging, AWS_ENDPOINT_URL: `http://127.0.0.1:${port}` }),
    });
    expect(await log.put(records)).toEqual({ sent: 0, late: 3, failed: 0 });
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
});

describe('feedback', () => {
  test('becomes one object per body, however often it is sent', async () => {
    const labels = [
      { entity_key: 'p-1', label: 1 },
      { prediction_id: `${model}-v1-${'a'.repeat(32)}-0`, label: 0 },
    ];
    const send = () => call(feedbackHandler, 'POST', `/v1/models/${model}:feedback`, { labels });
    expect(await send()).toMatchObject({ status: 200, body: { accepted: 2 } });
    expect(await send()).toMatchObject({ status: 200, body: { accepted: 2 } });
    const objects = await data.list(`labels/${model}/`);
    expect(objects).toHaveLength(1);
    expect(objects[0]?.key).toMatch(
      /^labels\/parcel-weight\/dt=\d{4}-\d\d-\d\d\/[0-9a-f]{64}\.jsonl$/,
    );
    const lines = (await data.get(objects[0]?.key ?? '')).toString().trimEnd().split('\n');
    expect(lines.map((line) => LabelRecord.parse(JSON.parse(line)))).toMatchObject([
      { entityKey: 'p-1', label: 1 },
      { predictionId: labels[1]?.prediction_id, label: 0 },
    ]);
  });

  test('that is wrong is refused and leaves nothing', async () => {
    const before = await data.list('labels/');
    const wrong = { labels: [{ entity_key: 'p-1', label: 3 }] };
    expect(
      await call(feedbackHandler, 'POST', `/v1/models/${model}:feedback`, wrong),
    ).toMatchObject({
      status: 400,
      body: { error: 'labels[0].label: must be one of 0, 1 (received 3)' },
    });
    expect(await data.list('labels/')).toEqual(before);
  });
});
