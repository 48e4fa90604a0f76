// Queues that a test looks into.
import { CreateQueueCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Cloud } from '../../../local/cloud.ts';
import { clientConfig, eventually } from './harness.ts';

/** A queue that anyone may send to, and the next message of it, whose body is JSON. */
export async function queue(cloud: Cloud, name: string) {
  const sqs = new SQSClient(clientConfig(cloud));
  const arn = `arn:aws:sqs:${cloud.region}:${cloud.accountId}:${name}`;
  const Statement = [{ Effect: 'Allow', Principal: '*', Action: 'sqs:SendMessage', Resource: arn }];
  const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
  const { QueueUrl: url = '' } = await sqs.send(
    new CreateQueueCommand({ QueueName: name, Attributes: { Policy } }),
  );
  const next = () =>
    eventually(async () => {
      const { Messages } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: url,
          WaitTimeSeconds: 1,
          MessageAttributeNames: ['All'],
        }),
      );
      const message = Messages?.[0];
      return (
        message && { body: JSON.parse(message.Body ?? ''), attributes: message.MessageAttributes }
      );
    });
  return { arn, url, next };
}
