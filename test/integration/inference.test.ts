import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { DuckDBInstance } from '@duckdb/node-api';
import type { APIGatewayProxyEvent, Context } from 'aws-lambda';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { firehosePredictionLog } from '../../adapters/firehose-prediction-log.ts';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { canonicalJson } from '../../core/canonical-json.ts';
import { LabelRecord, PredictionRecord } from '../../core/inference/prediction-record.ts';
import type { ModelDefinitionInput } from '../../core/model/define-model.ts';
import { ReferenceProfile } from '../../core/monitoring/profile.ts';
import { Evaluation } from '../../core/training/evaluation.ts';
import { type Cloud, startCloud } from '../../local/cloud.ts';
import { featureSpec, modelVersion } from '../builders/model-version.ts';
import { type LinearModel, linearModel, linearPrediction } from '../builders/onnx-model.ts';
import { trainingProfile } from '../builders/reference-profile.ts';

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
) {
  const requestContext = { requestId: 'gateway-1' };
  const event = { httpMethod, path, headers: {}, body, isBase64Encoded, requestContext };
  const reply = await handler(event as unknown as APIGatewayProxyEvent, context);
  return { status: reply.statusCode, headers: reply.headers, body: JSON.parse(reply.body) };
}
const call = (handler: Handler, method: string, path: string, body: unknown = null) =>
  send(handler, method, path, body === null ? null : JSON.stringify(body));
const predict = (...instances: object[]) =>
  call(predictHandler, 'POST', `/v1/models/${model}:predict`, { instances });

async function eventually<T>(ask: () => Promise<T | undefined>): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (answer !== undefined) return answer;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function makeState(): Promise<void> {
  const s3 = new S3Client();
  for (const Bucket of ['data', 'artifacts']) await s3.send(new CreateBucketCommand({ Bucket }));
  await new DynamoDBClient().send(
    new CreateTableCommand({
      TableName: 'registry',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    }),
  );
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
async function register(version: number): Promise<void> {
  const { record, objects } = modelVersion(version, graphs[version] ?? { weights: [], bias: 0 });
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
    ['DELETE', `/v1/models/${model}`, null, 404, /there is nothing at DELETE/],
  ])('answers %s %s %j with %i', async (method, path, body, status, text) => {
    const reply = await call(predictHandler, method, path, body);
    expect(reply.status).toBe(status);
    expect(reply.body.error).toMatch(text);
    expect(reply.headers).toMatchObject({ 'Content-Type': 'application/json' });
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
    const log = firehosePredictionLog({ stream: 'no-such-stream', deadlineMs: 60_000 });
    expect(await log.put(records)).toMatchObject({
      sent: 0,
      late: 0,
      failed: 3,
      error: { name: 'ResourceNotFoundException' },
    });
  });

  test('counts what is too large for Firehose and sends the rest', async () => {
    const log = firehosePredictionLog({ stream: 'predictions', deadlineMs: 60_000 });
    const [first] = records;
    if (!first) throw new Error('unreachable');
    const huge = { ...first, inputs: { text: 'x'.repeat(1_100_000) } };
    expect(await log.put([...records, huge])).toEqual({ sent: 3, late: 0, failed: 1 });
  });

  test('does not keep a reply waiting for a Firehose that hangs', async () => {
    const server = createServer(() => undefined);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const client = new FirehoseClient({ endpoint: `http://127.0.0.1:${port}`, maxAttempts: 1 });
    const log = firehosePredictionLog({ stream: 'predictions', deadlineMs: 20, client });
    expect(await log.put(records)).toEqual({ sent: 0, late: 3, failed: 0 });
    client.destroy();
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

describe('the evaluation of a candidate', () => {
  const folder = `features/${model}/snapshot/spec/`;
  const job = `jobs/${model}/training/job/output/model/`;
  const event = {
    runId: 'run-1',
    trainingId: 'training',
    modelArtifacts: `s3://artifacts/${job}`,
    holdoutKey: `${folder}validation/part-0.parquet`,
    trainUri: `s3://data/${folder}train/`,
    featuresKey: `${folder}features/features.json`,
    profileKey: `${folder}profile.json`,
  };

  /** 5,000 holdout rows whose label is 1 where length + items > 100; every seventh item is missing. */
  async function writeTables(): Promise<void> {
    const connection = await (await DuckDBInstance.create(':memory:')).connect();
    const rows = (count: number) => `
      SELECT "length"::FLOAT "length", "items"::FLOAT "items", i::BIGINT "__row",
        ("length" + coalesce("items", 0) > 100)::INT::DOUBLE "__label"
      FROM (SELECT i, (i * 37) % 200 AS "length", CASE WHEN i % 7 = 0 THEN NULL ELSE i % 5 END "items"
        FROM range(${count}) t(i))`;
    for (const [name, count] of [
      ['validation', 5_000],
      ['train', 1_000],
    ] as const) {
      const path = join(taskRoot, `${name}.parquet`);
      await connection.run(`COPY (${rows(count)}) TO '${path}' (FORMAT parquet)`);
      await data.upload(path, `${folder}${name}/part-0.parquet`);
    }
    connection.closeSync();
  }

  async function evaluate(graph: LinearModel, parityOf = graph) {
    const { objects } = modelVersion(9, parityOf);
    await artifacts.put(`${job}parity.json`, objects.get(`models/${model}/9/parity.json`) ?? '');
    await artifacts.put(`${job}model.onnx`, linearModel(graph));
    const { handler } = await import('../../lambdas/training/evaluate-candidate.handler.ts');
    const result = await handler(event, context);
    expect(result.evaluationKey).toBe(`${job}evaluation.json`);
    return {
      ...result,
      evaluation: Evaluation.parse(await artifacts.getJson(result.evaluationKey)),
    };
  }

  beforeAll(async () => {
    await writeTables();
    await data.putJson(event.featuresKey, featureSpec());
    await data.putJson(event.profileKey, trainingProfile());
  });

  test('passes one that orders the holdout rightly, with the numbers of both sides', async () => {
    const { outcome, reasons, evaluation } = await evaluate({ weights: [0.1, 0.1], bias: -10 });
    expect({ outcome, reasons }).toEqual({ outcome: 'passed', reasons: [] });
    // Counted without DuckDB and ONNX Runtime.
    const label = (i: number) => ((i * 37) % 200) + (i % 7 === 0 ? 0 : i % 5) > 100;
    const positives = Array.from({ length: 1_000 }, (_, i) => i).filter(label).length;
    expect(evaluation).toMatchObject({
      rows: 5_000,
      metrics: { auc: 1 },
      baseline: { prediction: positives / 1_000, metrics: { auc: 0.5 } },
      parity: { rows: 2, tolerance: 1e-6 },
      outcome: 'passed',
    });
  });

  test('leaves beside it what later predictions are compared with', async () => {
    await evaluate({ weights: [0.1, 0.1], bias: -10 });
    const profile = ReferenceProfile.parse(await artifacts.getJson(`${job}profile.json`));
    expect(profile).toMatchObject(trainingProfile());
    const { cells, reference } = profile.prediction;
    expect(reference.counts.reduce((sum, count) => sum + count, reference.missing)).toBe(5_000);
    // The smallest and the largest of the holdout: 0 and 199 + 4.
    const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
    if (cells.kind !== 'numeric') throw new Error('predictions are numbers');
    expect(cells.range?.[0]).toBeCloseTo(sigmoid(-10), 6);
    expect(cells.range?.[1]).toBeGreaterThan(sigmoid(9.8));
  });

  test('gives the same bytes when it is repeated', async () => {
    const graph = { weights: [0.01, 0.3], bias: -1 };
    const first = await artifacts.hash((await evaluate(graph)).evaluationKey);
    expect(await artifacts.hash((await evaluate(graph)).evaluationKey)).toEqual(first);
  });

  test('rejects one that predicts the same for every row', async () => {
    const { outcome, reasons } = await evaluate({ weights: [0, 0], bias: 0 });
    expect(outcome).toBe('rejected');
    expect(reasons).toEqual([
      "auc 0.5 against the baseline's 0.5: better by 0, at least 0.05 is required",
    ]);
  });

  test('rejects one that differs from its trainer', async () => {
    const graph = { weights: [0.1, 0.1], bias: -10 };
    const { outcome, reasons } = await evaluate(graph, { ...graph, bias: -9 });
    expect(outcome).toBe('rejected');
    expect(reasons[0]).toMatch(/^ONNX Runtime gives .* where the trainer gave .* in row 1 of 2/);
  });

  test('rejects one that gives no numbers', async () => {
    const graph = { weights: [Number.NaN, 0], bias: 0 };
    const { outcome, reasons } = await evaluate(graph, { weights: [0, 0], bias: 0 });
    expect(outcome).toBe('rejected');
    expect(reasons).toHaveLength(2);
  });
});
