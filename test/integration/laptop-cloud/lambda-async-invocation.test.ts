import {
  EventBridgeClient,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import {
  InvokeCommand,
  LambdaClient,
  PutFunctionEventInvokeConfigCommand,
} from '@aws-sdk/client-lambda';
import {
  CreateTopicCommand,
  PublishCommand,
  SNSClient,
  SubscribeCommand,
} from '@aws-sdk/client-sns';
import { expect } from 'vitest';
import { createFunction } from './functions.ts';
import { clientConfig, gapTest, useCloud } from './harness.ts';
import { queue } from './queues.ts';

const cloud = useCloud();

const failing = `exports.handler = async () => { throw new Error('row 7'); };`;

async function invokeLater(FunctionName: string, event: object): Promise<void> {
  const Payload = JSON.stringify(event);
  await new LambdaClient(clientConfig(cloud())).send(
    new InvokeCommand({ FunctionName, InvocationType: 'Event', Payload }),
  );
}

async function configure(
  FunctionName: string,
  retries: number,
  destinations: { failure?: string; success?: string },
): Promise<void> {
  await new LambdaClient(clientConfig(cloud())).send(
    new PutFunctionEventInvokeConfigCommand({
      FunctionName,
      MaximumRetryAttempts: retries,
      DestinationConfig: {
        OnFailure: destinations.failure ? { Destination: destinations.failure } : {},
        OnSuccess: destinations.success ? { Destination: destinations.success } : {},
      },
    }),
  );
}

gapTest('the dead-letter queue gets the event itself, with the error as attributes', async () => {
  const { arn, next } = await queue(cloud(), 'dead-letters');
  await createFunction(cloud(), 'buried', failing, { DeadLetterConfig: { TargetArn: arn } });
  await configure('buried', 0, {});
  await invokeLater('buried', { file: 'a' });
  const { body, attributes } = await next();
  expect(body).toEqual({ file: 'a' });
  expect(attributes).toMatchObject({
    RequestID: { StringValue: expect.stringMatching(/^[0-9a-f-]{36}$/) },
    ErrorCode: { StringValue: '200' },
    ErrorMessage: { StringValue: 'row 7' },
  });
});

gapTest('the failure destination gets a record of the last attempt', async () => {
  const { arn, next } = await queue(cloud(), 'failures');
  const functionArn = await createFunction(cloud(), 'fails', failing);
  await configure('fails', 1, { failure: arn });
  await invokeLater('fails', { file: 'a' });
  expect((await next()).body).toEqual({
    version: '1.0',
    timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
    requestContext: {
      requestId: expect.any(String),
      functionArn: `${functionArn}:$LATEST`,
      condition: 'RetriesExhausted',
      approximateInvokeCount: 2,
    },
    requestPayload: { file: 'a' },
    responseContext: { statusCode: 200, executedVersion: '$LATEST', functionError: 'Unhandled' },
    responsePayload: expect.objectContaining({ errorMessage: 'row 7' }),
  });
});

gapTest('the success destination gets the answer', async () => {
  const { arn, next } = await queue(cloud(), 'successes');
  await createFunction(cloud(), 'succeeds', `exports.handler = async () => ({ rows: 3 });`);
  await configure('succeeds', 0, { success: arn });
  await invokeLater('succeeds', {});
  expect((await next()).body).toMatchObject({
    requestContext: { condition: 'Success' },
    responsePayload: { rows: 3 },
  });
});

gapTest('an event of EventBridge that a function fails on is not lost', async () => {
  const { arn, next } = await queue(cloud(), 'lost-events');
  const functionArn = await createFunction(cloud(), 'rule-target', failing);
  await configure('rule-target', 0, { failure: arn });
  const events = new EventBridgeClient(clientConfig(cloud()));
  await events.send(
    new PutRuleCommand({ Name: 'r', EventPattern: JSON.stringify({ source: ['test'] }) }),
  );
  await events.send(new PutTargetsCommand({ Rule: 'r', Targets: [{ Id: 'f', Arn: functionArn }] }));
  const Entries = [{ Source: 'test', DetailType: 'x', Detail: '{"a":1}' }];
  await events.send(new PutEventsCommand({ Entries }));
  expect((await next()).body.requestPayload).toMatchObject({ source: 'test', detail: { a: 1 } });
});

gapTest('a message of SNS that a function fails on is not lost', async () => {
  const { arn, next } = await queue(cloud(), 'lost-messages');
  const Endpoint = await createFunction(cloud(), 'subscriber', failing);
  await configure('subscriber', 0, { failure: arn });
  const sns = new SNSClient(clientConfig(cloud()));
  const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: 'topic' }));
  await sns.send(new SubscribeCommand({ TopicArn, Protocol: 'lambda', Endpoint }));
  await sns.send(new PublishCommand({ TopicArn, Message: 'hello' }));
  expect((await next()).body.requestPayload.Records[0].Sns.Message).toBe('hello');
});
