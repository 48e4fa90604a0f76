import { gunzipSync } from 'node:zlib';
import {
  CreateDeliveryStreamCommand,
  type ExtendedS3DestinationConfiguration,
  FirehoseClient,
  PutRecordBatchCommand,
  PutRecordCommand,
} from '@aws-sdk/client-firehose';
import {
  CreateBucketCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { createRole } from './functions.ts';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();
const uuid = '[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}';
const newline = {
  Enabled: true,
  Processors: [
    {
      Type: 'AppendDelimiterToRecord',
      Parameters: [{ ParameterName: 'Delimiter', ParameterValue: '\\n' }],
    },
  ],
} satisfies ExtendedS3DestinationConfiguration['ProcessingConfiguration'];

/** A stream to a bucket, both of this name. */
async function stream(name: string, destination: Partial<ExtendedS3DestinationConfiguration>) {
  const s3 = new S3Client(clientConfig(cloud()));
  const firehose = new FirehoseClient(clientConfig(cloud()));
  await s3.send(new CreateBucketCommand({ Bucket: name }));
  await firehose.send(
    new CreateDeliveryStreamCommand({
      DeliveryStreamName: name,
      DeliveryStreamType: 'DirectPut',
      ExtendedS3DestinationConfiguration: {
        BucketARN: `arn:aws:s3:::${name}`,
        RoleARN: `arn:aws:iam::${cloud().accountId}:role/firehose`,
        ...destination,
      },
    }),
  );
  const put = (text: string) =>
    firehose.send(
      new PutRecordCommand({ DeliveryStreamName: name, Record: { Data: Buffer.from(text) } }),
    );
  const list = async () => {
    const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket: name }));
    return Contents.map(({ Key = '' }) => Key);
  };
  const read = async (Key: string) => {
    const { Body } = await s3.send(new GetObjectCommand({ Bucket: name, Key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  };
  /** The keys, once there are as many. */
  const objects = (count: number) =>
    eventually(async () => {
      const keys = await list();
      return keys.length >= count ? keys : undefined;
    });
  return { firehose, put, list, read, objects };
}

gapTest('records of one interval become one compressed object with delimiters', async () => {
  const { put, read, objects } = await stream('interval', {
    BufferingHints: { SizeInMBs: 1, IntervalInSeconds: 2 },
    Prefix: 'predictions/m/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/',
    ErrorOutputPrefix: 'errors/!{firehose:error-output-type}/',
    CompressionFormat: 'GZIP',
    ProcessingConfiguration: newline,
  });
  for (const i of [1, 2, 3]) await put(JSON.stringify({ i }));
  const [key = '', ...others] = await objects(1);
  expect(others).toEqual([]);
  expect(key).toMatch(
    new RegExp(
      `^predictions/m/dt=\\d{4}-\\d\\d-\\d\\d/hour=\\d\\d/interval-1-\\d{4}(-\\d\\d){5}-${uuid}\\.gz$`,
    ),
  );
  expect(gunzipSync(await read(key)).toString()).toBe('{"i":1}\n{"i":2}\n{"i":3}\n');
});

gapTest('a full buffer is written before its interval is over', async () => {
  const { firehose, list, read, objects } = await stream('full', {
    BufferingHints: { SizeInMBs: 1, IntervalInSeconds: 900 },
  });
  const Data = Buffer.alloc(300_000, 'x');
  const Records = [{ Data }, { Data }, { Data }, { Data }, { Data }];
  await firehose.send(new PutRecordBatchCommand({ DeliveryStreamName: 'full', Records }));
  const [key = ''] = await objects(1);
  // The fourth record fills the buffer; the fifth waits in the next one.
  expect((await read(key)).length).toBe(1_200_000);
  expect(await list()).toHaveLength(1);
});

gapTest('a destination that AWS refuses is refused', async () => {
  await expect(
    stream('no-error-prefix', { Prefix: 'dt=!{timestamp:yyyy-MM-dd}/' }),
  ).rejects.toMatchObject({ name: 'InvalidArgumentException' });
  await expect(
    stream('slow', { BufferingHints: { SizeInMBs: 1, IntervalInSeconds: 901 } }),
  ).rejects.toMatchObject({ name: 'InvalidArgumentException' });
});

gapTest('a stream whose role may not write delivers nothing', async () => {
  const hints = { BufferingHints: { SizeInMBs: 1, IntervalInSeconds: 0 } };
  const statement = { Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::allowed/*' };
  const RoleARN = await createRole(cloud(), 'writer', [statement]);
  const forbidden = await stream('forbidden', { ...hints, RoleARN });
  const allowed = await stream('allowed', { ...hints, RoleARN });
  await forbidden.put('a');
  await allowed.put('a');
  await allowed.objects(1);
  expect(await forbidden.list()).toEqual([]);
});
