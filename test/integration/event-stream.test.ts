import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateDeliveryStreamCommand, FirehoseClient } from '@aws-sdk/client-firehose';
import {
  CreateStreamCommand,
  GetRecordsCommand,
  GetShardIteratorCommand,
  KinesisClient,
} from '@aws-sdk/client-kinesis';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { Context } from 'aws-lambda';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import { eventKey, ResultEvent } from '../../core/inference/streams/stream-events.ts';
import { type Cloud, startCloud } from '../../local/cloud.ts';
import { modelVersion } from '../builders/model-version.ts';
import { eventually } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

const model = 'parcel-weight';
let cloud: Cloud;
let data: S3Objects;
let queueUrl: string;
type Handler = (event: unknown, context: Context) => Promise<never>;
let predictEvents: (
  event: unknown,
  context: Context,
) => Promise<{ batchItemFailures: { itemIdentifier: string }[] }>;
let predict: Handler;

const context = {
  awsRequestId: 'request-1',
  functionName: 'test',
  getRemainingTimeInMillis: () => 90_000,
} as Context;

async function makeTables(): Promise<void> {
  const { client } = await createRegistryTable(cloud, 'registry');
  await client.send(
    new CreateTableCommand({
      TableName: 'results',
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [{ AttributeName: 'pk', AttributeType: 'S' }],
      KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }],
    }),
  );
}

/** A rule that hands results on to a queue, as a consumer has one. */
async function listenOnBus(): Promise<void> {
  const sqs = new SQSClient();
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName: 'told' }));
  queueUrl = QueueUrl;
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  const events = new EventBridgeClient();
  await events.send(
    new PutRuleCommand({
      Name: 'results',
      EventPattern: JSON.stringify({
        source: ['slipway.predictions'],
        detail: { data: { model_name: [model] } },
      }),
    }),
  );
  await events.send(
    new PutTargetsCommand({ Rule: 'results', Targets: [{ Id: 'q', Arn: Attributes?.QueueArn }] }),
  );
}

async function makeLive(): Promise<void> {
  const artifacts = s3Objects({ bucket: 'artifacts' });
  const { record, objects } = modelVersion(1, { weights: [0.01, -0.2], bias: 0.5 });
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
  await registry.reserveVersion(model, record.trainingId);
  await registry.registerVersion(record, []);
  const ledger = dynamodbLedger({ tableName: 'registry' });
  for (const state of ['staged', 'live'] as const) {
    const entry = { model, state, version: 1, reason: 'test', by: `test-${state}` };
    await ledger.append({ ...entry, at: new Date().toISOString() });
  }
}

beforeAll(async () => {
  cloud = await startCloud();
  Object.assign(process.env, cloud.env, {
    MODEL_NAME: model,
    REGISTRY_TABLE: 'registry',
    DATA_BUCKET: 'data',
    ARTIFACTS_BUCKET: 'artifacts',
    PREDICTION_STREAM: 'predictions',
    RESULTS_TABLE: 'results',
    RESULTS_STREAM: 'results',
    RESULTS_BUS: 'default',
    RESULTS_ORIGIN: `/slipway/test/${model}`,
  });
  const s3 = new S3Client();
  for (const Bucket of ['data', 'artifacts']) await s3.send(new CreateBucketCommand({ Bucket }));
  await makeTables();
  await new KinesisClient().send(new CreateStreamCommand({ StreamName: 'results', ShardCount: 1 }));
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
  await listenOnBus();
  await makeLive();
  data = s3Objects({ bucket: 'data' });
  predictEvents = (await import('../../lambdas/inference/predict-events.handler.ts'))
    .handler as unknown as typeof predictEvents;
  predict = (await import('../../lambdas/inference/predict.handler.ts')).handler as never;
});
afterAll(async () => {
  await cloud?.stop();
});

const cloudEvent = (id: string, instance: unknown, source = '/depot'): string =>
  JSON.stringify({ specversion: '1.0', id, source, type: 'parcel.weighed', data: instance });

let sequence = 0;
const kinesisRecord = (text: string) => {
  sequence += 1;
  return {
    eventID: `shardId-000000000000:${sequence}`,
    kinesis: {
      sequenceNumber: String(sequence),
      partitionKey: 'p',
      data: Buffer.from(text).toString('base64'),
      approximateArrivalTimestamp: Date.now() / 1_000,
    },
  };
};
const deliver = (records: object[]) => predictEvents({ Records: records }, context);

/** Every result that is in the stream, parsed. */
async function resultTexts(): Promise<string[]> {
  const kinesis = new KinesisClient();
  const { ShardIterator } = await kinesis.send(
    new GetShardIteratorCommand({
      StreamName: 'results',
      ShardId: 'shardId-000000000000',
      ShardIteratorType: 'TRIM_HORIZON',
    }),
  );
  const { Records = [] } = await kinesis.send(new GetRecordsCommand({ ShardIterator }));
  return Records.map(({ Data }) => Buffer.from(Data ?? []).toString());
}
const results = async (id: string): Promise<ResultEvent[]> =>
  (await resultTexts())
    .filter((text) => text.includes('specversion'))
    .map((text) => ResultEvent.parse(JSON.parse(text)))
    .filter((result) => result.id === id);

async function toldOnBus(): Promise<Record<string, unknown>[]> {
  const { Messages = [] } = await new SQSClient().send(
    new ReceiveMessageCommand({
      QueueUrl: queueUrl,
      MaxNumberOfMessages: 10,
      VisibilityTimeout: 0,
    }),
  );
  return Messages.map(({ Body = '{}' }) => JSON.parse(Body));
}

describe('an event stream', () => {
  test('answers with the numbers of the endpoint, bit by bit, to a stream and the bus', async () => {
    const instances = [{ length: 10, items: 1 }, { length: 222.2, items: null }, { length: 0.1 }];
    const events = instances.map((instance, at) =>
      kinesisRecord(cloudEvent(`same-${at}`, instance)),
    );
    expect(await deliver(events)).toEqual({ batchItemFailures: [] });
    const reply: { body: string } = await predict(
      {
        httpMethod: 'POST',
        path: `/v1/models/${model}:predict`,
        headers: {},
        body: JSON.stringify({ instances }),
        isBase64Encoded: false,
        requestContext: { requestId: 'gateway-1' },
      },
      context,
    );
    const { predictions } = JSON.parse(reply.body);
    expect(predictions).toHaveLength(3);
    for (const [at, prediction] of predictions.entries()) {
      const [result, ...more] = await results(`same-${at}`);
      expect(more).toEqual([]);
      expect(result).toMatchObject({
        type: 'slipway.prediction',
        source: `/slipway/test/${model}?of=%2Fdepot`,
        data: { prediction, model_name: model, model_version: '1' },
      });
    }
    const told = await eventually(async () => {
      const all = await toldOnBus();
      return all.length >= 3 ? all : undefined;
    });
    expect(told[0]).toMatchObject({ source: 'slipway.predictions', 'detail-type': 'Prediction' });
  });

  test('logs each prediction under the id that its result has', async () => {
    const [result] = await results('same-0');
    const records = await eventually(async () => {
      const files = await data.list(`predictions/${model}/`);
      const texts = await Promise.all(files.map(async ({ key }) => String(await data.get(key))));
      const lines = texts.flatMap((text) => text.trimEnd().split('\n'));
      const found = lines.map((line) => PredictionRecord.parse(JSON.parse(line)));
      const ofEvents = found.filter(({ requestId }) => requestId.startsWith('same-'));
      return ofEvents.length >= 3 ? ofEvents : undefined;
    });
    expect(records).toHaveLength(3);
    const mine = records.find(({ requestId }) => requestId === 'same-0');
    expect(result?.data).toMatchObject({ prediction_id: mine?.predictionId });
    expect(mine).toMatchObject({ version: 1, inputs: { length: 10, items: 1 } });
  });

  test('answers once what comes twice: in a batch, in a redelivery, and at the same time', async () => {
    const record = kinesisRecord(cloudEvent('once', { length: 5, items: 2 }));
    const again = kinesisRecord(cloudEvent('once', { length: 5, items: 2 }));
    await deliver([record, again]);
    await deliver([record]);
    const other = [kinesisRecord(cloudEvent('rivals', { length: 6, items: 2 }))];
    const rivals = await Promise.all([deliver(other), deliver(other), deliver(other)]);
    expect(rivals).toEqual([1, 2, 3].map(() => ({ batchItemFailures: [] })));
    expect(await results('once')).toHaveLength(1);
    expect(await results('rivals')).toHaveLength(1);
  });

  test('takes an id of another maker for another event', async () => {
    const twice = ['/a', '/b'].map((source) =>
      kinesisRecord(cloudEvent('shared', { length: 7, items: 2 }, source)),
    );
    await deliver(twice);
    expect((await results('shared')).map(({ source }) => source)).toEqual([
      `/slipway/test/${model}?of=%2Fa`,
      `/slipway/test/${model}?of=%2Fb`,
    ]);
  });

  test('publishes the very bytes that a delivery before it kept and could not publish', async () => {
    const kept = JSON.stringify({ kept: 'by one who died' });
    await new DynamoDBClient().send(
      new PutItemCommand({
        TableName: 'results',
        Item: {
          pk: { S: eventKey('/depot', 'left') },
          eventId: { S: 'left' },
          text: { S: kept },
          sentTo: { L: [] },
          claimedBy: { S: 'one who died' },
          claimedUntilMs: { N: String(Date.now() - 2_000) },
          expiresAt: { N: String(Math.floor(Date.now() / 1_000) + 1_000) },
        },
      }),
    );
    await deliver([kinesisRecord(cloudEvent('left', { length: 9, items: 2 }))]);
    const texts = await resultTexts();
    expect(texts.filter((text) => text === kept)).toHaveLength(1);
    expect(texts.some((text) => text.includes('"id":"left"'))).toBe(false);
  });

  test('keeps what it cannot answer, says why, and answers the others', async () => {
    const records = [
      '{"not json',
      cloudEvent('too-long', { length: 412, items: 2 }),
      cloudEvent('good', { length: 12, items: 2 }),
      JSON.stringify({ specversion: '1.0', id: 'no-data', source: '/depot', type: 't' }),
    ].map(kinesisRecord);
    expect(await deliver(records)).toEqual({ batchItemFailures: [] });
    expect(await results('good')).toMatchObject([{ type: 'slipway.prediction' }]);
    const [refused] = await results('too-long');
    expect(refused).toMatchObject({
      type: 'slipway.prediction.refused',
      data: { error: 'data.length: must be at most 300 (received 412)' },
    });
    const noData = await results('no-data');
    expect(noData).toMatchObject([
      { data: { error: expect.stringMatching(/^data: send the inst/) } },
    ]);
    const unreadable = await results(records[0]?.eventID ?? '');
    expect(unreadable).toMatchObject([{ data: { error: expect.stringMatching(/is not JSON/) } }]);
    const where = unreadable[0]?.data as { record: string };
    expect(await data.getJson(where.record)).toMatchObject({ record: '{"not json' });
    const kept = await data.list(`quarantine/${model}/streaming/`);
    expect(kept).toHaveLength(3);
    // What is refused is refused once, too.
    await deliver(records);
    expect(await results('too-long')).toHaveLength(1);
    expect(await data.list(`quarantine/${model}/streaming/`)).toHaveLength(3);
  });
});
