import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  AddPermissionCommand,
  LambdaClient,
  PutFunctionEventInvokeConfigCommand,
} from '@aws-sdk/client-lambda';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { PutParameterCommand, SSMClient } from '@aws-sdk/client-ssm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Notifications, snsNotifications } from '../../adapters/sns-notifications.ts';
import { bundleHandler } from '../../lib/runtime/bundle.ts';
import { createFunction, createRole, zip } from './laptop-cloud/functions.ts';
import { clientConfig, eventually, useCloud } from './laptop-cloud/harness.ts';

const cloud = useCloud();
const parameter = '/slack/team';
const account = '000000000000';

/** Slack, as far as a webhook goes: takes a message, or says the status that is next. */
const posts: {
  readonly path: string;
  readonly status: number;
  readonly text: string;
  readonly blocks: object[];
}[] = [];
let statuses: number[] = [];
let slack: Server;
let sqs: SQSClient;
let QueueUrl = '';
let notifications: Notifications;

function startSlack(): Promise<Server> {
  const server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const status = statuses.shift() ?? 200;
      const { text, blocks } = JSON.parse(Buffer.concat(parts).toString('utf8'));
      posts.push({ path: request.url ?? '', status, text, blocks });
      response.writeHead(status).end(status === 200 ? 'ok' : 'no_service');
    });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

async function deployFunction(queueArn: string): Promise<string> {
  const code = readFileSync(join(bundleHandler('monitoring/notify-slack'), 'index.js'), 'utf8');
  const Role = await createRole(cloud(), 'notify-slack', [
    {
      Effect: 'Allow',
      Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: `arn:aws:logs:us-east-1:${account}:log-group:/aws/lambda/notify-slack:*`,
    },
    {
      Effect: 'Allow',
      Action: 'ssm:GetParameter',
      Resource: `arn:aws:ssm:us-east-1:${account}:parameter${parameter}`,
    },
    { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: queueArn },
  ]);
  const arn = await createFunction(cloud(), 'notify-slack', '', {
    Code: { ZipFile: zip({ 'index.js': code }) },
    Timeout: 30,
    Role,
    Environment: {
      Variables: { WEBHOOK_PARAMETER: parameter },
    },
  });
  const lambda = new LambdaClient(clientConfig(cloud()));
  await lambda.send(
    new PutFunctionEventInvokeConfigCommand({
      FunctionName: 'notify-slack',
      MaximumRetryAttempts: 0,
      DestinationConfig: { OnFailure: { Destination: queueArn } },
    }),
  );
  await lambda.send(
    new AddPermissionCommand({
      FunctionName: 'notify-slack',
      StatementId: 'topics',
      Action: 'lambda:InvokeFunction',
      Principal: 'sns.amazonaws.com',
    }),
  );
  return arn;
}

beforeAll(async () => {
  slack = await startSlack();
  const url = `http://127.0.0.1:${(slack.address() as AddressInfo).port}/services/T0/B0/secret`;
  await new SSMClient(clientConfig(cloud())).send(
    new PutParameterCommand({ Name: parameter, Value: url, Type: 'SecureString' }),
  );
  sqs = new SQSClient(clientConfig(cloud()));
  QueueUrl = (await sqs.send(new CreateQueueCommand({ QueueName: 'dead-letters' }))).QueueUrl ?? '';
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  const Endpoint = await deployFunction(Attributes?.['QueueArn'] ?? '');
  const client = new SNSClient(clientConfig(cloud()));
  const topic = async (Name: string): Promise<string> => {
    const { TopicArn = '' } = await client.send(new CreateTopicCommand({ Name }));
    await client.send(new SubscribeCommand({ TopicArn, Protocol: 'lambda', Endpoint }));
    return TopicArn;
  };
  notifications = snsNotifications({
    newsTopicArn: await topic('news'),
    pagesTopicArn: await topic('pages'),
    owner: 'the delay team',
    client,
  });
});
afterAll(() => new Promise((resolve) => slack.close(resolve)));
beforeEach(() => {
  posts.length = 0;
  statuses = [];
});

const publish = (severity: 'news' | 'page', subject: string) =>
  notifications.publish({
    severity,
    subject,
    text: 'More of it.',
    model: 'flight-delay',
    runId: 'run-1',
    kind: 'run-live',
  });

describe('Slack', () => {
  it('hears news and pages by the webhook in the parameter', async () => {
    await publish('news', 'flight-delay: version 3 is live');
    await publish('page', 'flight-delay: run run-2 failed');
    await eventually(() => (posts.length === 2 ? true : undefined));
    expect(posts.map(({ text }) => text).sort()).toEqual([
      'flight-delay: version 3 is live',
      '🔴 flight-delay: run run-2 failed',
    ]);
    expect(posts[0]?.path).toBe('/services/T0/B0/secret');
    for (const { blocks } of posts) {
      expect(JSON.stringify(blocks)).toContain('More of it.\\n\\nOwner: the delay team');
    }
  });

  it('that is out of order for a moment hears it all the same, and once', async () => {
    statuses = [503, 500];
    await publish('news', 'later');
    await eventually(() => (posts.some(({ status }) => status === 200) ? true : undefined));
    expect(posts.map(({ status }) => status)).toEqual([503, 500, 200]);
  });

  it('that refuses a message leaves it with the dead letters, which name function and cause', async () => {
    statuses = [404];
    await publish('page', 'lost');
    const letter = await eventually(async () => {
      const { Messages: [message] = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
      return message && JSON.parse(message.Body ?? '');
    });
    expect(letter.requestContext.functionArn).toContain(':function:notify-slack');
    expect(letter.requestPayload.Records[0].Sns.Subject).toBe('lost');
    expect(letter.responsePayload).toMatchObject({ errorType: 'SlackRefusedError' });
    expect(JSON.stringify(letter)).not.toContain('/services/T0');
    expect(posts).toHaveLength(1);
  });
});
