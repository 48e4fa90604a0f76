import {
  CreateStreamCommand,
  DescribeStreamCommand,
  KinesisClient,
  PutRecordsCommand,
} from '@aws-sdk/client-kinesis';
import { CreateEventSourceMappingCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { expect } from 'vitest';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';
import { statistic } from './metrics.ts';
import { spyFunction } from './spy.ts';

const cloud = useCloud();

gapTest('measures what comes into a stream, and how far its reader is behind', async () => {
  const kinesis = new KinesisClient(clientConfig(cloud()));
  const StreamName = 'measured';
  await kinesis.send(new CreateStreamCommand({ StreamName, ShardCount: 1 }));
  const arn = await eventually(async () => {
    const { StreamDescription } = await kinesis.send(new DescribeStreamCommand({ StreamName }));
    return StreamDescription?.StreamStatus === 'ACTIVE' ? StreamDescription.StreamARN : undefined;
  });
  const Records = ['a', 'b', 'c'].map((letter) => ({
    Data: Buffer.from(letter),
    PartitionKey: letter,
  }));
  await kinesis.send(new PutRecordsCommand({ StreamName, Records }));
  // It fails for ever, so that it never comes further.
  const spy = await spyFunction(cloud(), StreamName, () => ({ throws: 'no' }));
  try {
    await new LambdaClient(clientConfig(cloud())).send(
      new CreateEventSourceMappingCommand({
        FunctionName: StreamName,
        EventSourceArn: arn,
        StartingPosition: 'TRIM_HORIZON',
      }),
    );
    const of = (name: string, stat: string) =>
      statistic(cloud(), ['AWS/Kinesis', name], { StreamName }, stat);
    await eventually(async () => (await of('IncomingRecords', 'Sum')) || undefined);
    expect(await of('IncomingRecords', 'Sum')).toBe(3);
    await eventually(
      async () => (await of('GetRecords.IteratorAgeMilliseconds', 'Maximum')) || undefined,
    );
  } finally {
    spy.stop();
  }
});
