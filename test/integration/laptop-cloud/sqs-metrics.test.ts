import {
  CreateQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { expect } from 'vitest';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';
import { statistic } from './metrics.ts';

const cloud = useCloud();

gapTest('measures how many messages wait in a queue, and for how long', async () => {
  const sqs = new SQSClient(clientConfig(cloud()));
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: 'waiting' }));
  for (const MessageBody of ['a', 'b', 'c']) {
    await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  }
  await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
  const of = (name: string) =>
    statistic(cloud(), ['AWS/SQS', name], { QueueName: 'waiting' }, 'Maximum');
  await eventually(async () => (await of('ApproximateNumberOfMessagesVisible')) || undefined);
  expect(await of('ApproximateNumberOfMessagesVisible')).toBe(2);
  expect(await of('ApproximateNumberOfMessagesNotVisible')).toBe(1);
  expect(await of('ApproximateAgeOfOldestMessage')).toBeGreaterThan(0);
});
