import {
  CreateStreamCommand,
  DescribeStreamCommand,
  KinesisClient,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import {
  CreateEventSourceMappingCommand,
  type CreateEventSourceMappingCommandInput,
  LambdaClient,
} from '@aws-sdk/client-lambda';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';
import { queue } from './queues.ts';
import { spyFunction } from './spy.ts';

const cloud = useCloud();

interface KinesisEvent {
  readonly Records: readonly {
    readonly kinesis: { readonly data: string; readonly sequenceNumber: string };
  }[];
}

const text = (record: KinesisEvent['Records'][number]): string =>
  Buffer.from(record.kinesis.data, 'base64').toString();
const texts = ({ Records }: KinesisEvent): string => Records.map(text).join('');

/** A stream of one shard with one record per letter, read by a function with these settings. */
async function reading(
  name: string,
  letters: string,
  settings: Partial<CreateEventSourceMappingCommandInput>,
  answer: (event: KinesisEvent, call: number) => unknown,
) {
  const kinesis = new KinesisClient(clientConfig(cloud()));
  await kinesis.send(new CreateStreamCommand({ StreamName: name, ShardCount: 1 }));
  const put = (more: string) =>
    kinesis.send(
      new PutRecordsCommand({
        StreamName: name,
        Records: [...more].map((letter) => ({ Data: Buffer.from(letter), PartitionKey: 'a' })),
      }),
    );
  const stream = await eventually(async () => {
    const { StreamDescription } = await kinesis.send(
      new DescribeStreamCommand({ StreamName: name }),
    );
    return StreamDescription?.StreamStatus === 'ACTIVE' ? StreamDescription : undefined;
  });
  await put(letters);
  const spy = await spyFunction<KinesisEvent>(cloud(), name, answer);
  await new LambdaClient(clientConfig(cloud())).send(
    new CreateEventSourceMappingCommand({
      FunctionName: name,
      EventSourceArn: stream.StreamARN,
      StartingPosition: 'TRIM_HORIZON',
      BatchSize: 100,
      ...settings,
    }),
  );
  const batches = async (count: number) => {
    const events = await eventually(() => (spy.events.length >= count ? spy.events : undefined));
    return events.map(texts);
  };
  return { batches, put, stop: spy.stop };
}

gapTest('a batch goes on at the first record that is reported failed', async () => {
  const { batches, stop } = await reading(
    'reported',
    'abcd',
    { FunctionResponseTypes: ['ReportBatchItemFailures'] },
    ({ Records }, call) => ({
      batchItemFailures:
        call === 1
          ? Records.filter((record) => 'cd'.includes(text(record))).map(({ kinesis }) => ({
              itemIdentifier: kinesis.sequenceNumber,
            }))
          : [],
    }),
  );
  try {
    expect(await batches(2)).toEqual(['abcd', 'cd']);
  } finally {
    stop();
  }
});

gapTest('a failed batch is bisected down to the record that fails, which is given up', async () => {
  const failures = await queue(cloud(), 'given-up');
  const { batches, stop } = await reading(
    'bisected',
    'abxd',
    {
      BisectBatchOnFunctionError: true,
      MaximumRetryAttempts: 0,
      DestinationConfig: { OnFailure: { Destination: failures.arn } },
    },
    (event) => (texts(event).includes('x') ? { throws: 'x cannot be read' } : null),
  );
  try {
    expect(await batches(5)).toEqual(['abxd', 'ab', 'xd', 'x', 'd']);
    expect((await failures.next()).body).toMatchObject({
      requestContext: { condition: 'RetryAttemptsExhausted', approximateInvokeCount: 1 },
      KinesisBatchInfo: { batchSize: 1 },
    });
  } finally {
    stop();
  }
});

gapTest('a batch that is given up goes to a bucket with its records', async () => {
  const s3 = new S3Client(clientConfig(cloud()));
  const Bucket = 'set-aside';
  await s3.send(new CreateBucketCommand({ Bucket }));
  const { stop } = await reading(
    'kept',
    'x',
    {
      MaximumRetryAttempts: 0,
      DestinationConfig: { OnFailure: { Destination: `arn:aws:s3:::${Bucket}` } },
    },
    () => ({ throws: 'x cannot be read' }),
  );
  try {
    const Key = await eventually(async () => {
      const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
      return Contents[0]?.Key;
    });
    expect(Key).toMatch(
      /^aws\/lambda\/[0-9a-f-]{36}\/shardId-0{12}\/\d{4}\/\d\d\/\d\d\/[\dT.-]+-[0-9a-f-]{36}$/,
    );
    const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key }));
    const report = JSON.parse((await Body?.transformToString()) ?? '');
    expect(report).toMatchObject({ requestContext: { condition: 'RetryAttemptsExhausted' } });
    expect(texts(JSON.parse(report.payload))).toBe('x');
  } finally {
    stop();
  }
});

gapTest('a batch is retried as often as the mapping says', async () => {
  const { batches, put, stop } = await reading(
    'retried',
    'a',
    { MaximumRetryAttempts: 2 },
    (event) => (texts(event).includes('a') ? { throws: 'no' } : null),
  );
  try {
    await batches(3);
    await put('b');
    expect(await batches(4)).toEqual(['a', 'a', 'a', 'b']);
  } finally {
    stop();
  }
});
