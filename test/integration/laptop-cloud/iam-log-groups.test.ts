import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  PutLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { describe, expect } from 'vitest';
import { clientConfig, gapTest, useCloud } from './harness.ts';
import { assumeNewRole } from './rest-api.ts';

const cloud = useCloud();
const actions = ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'];
const groupArn = (name: string): string =>
  `arn:aws:logs:${cloud().region}:${cloud().accountId}:log-group:${name}`;

async function logsOf(role: string, Resource: string): Promise<CloudWatchLogsClient> {
  const credentials = await assumeNewRole(cloud(), role, [
    { Effect: 'Allow', Action: actions, Resource },
  ]);
  return new CloudWatchLogsClient({ ...clientConfig(cloud()), credentials });
}

async function write(logs: CloudWatchLogsClient, logGroupName: string): Promise<void> {
  await logs.send(new CreateLogGroupCommand({ logGroupName }));
  await logs.send(new CreateLogStreamCommand({ logGroupName, logStreamName: 'one' }));
  const logEvents = [{ timestamp: Date.now(), message: 'a line' }];
  await logs.send(new PutLogEventsCommand({ logGroupName, logStreamName: 'one', logEvents }));
}

describe('a role that may write to a log group', () => {
  gapTest('is named the group with its streams, and no other group', async () => {
    const logs = await logsOf('writer', `${groupArn('/jobs')}:*`);
    await write(logs, '/jobs');
    await expect(write(logs, '/jobs-of-others')).rejects.toMatchObject({
      name: 'AccessDeniedException',
    });
  });

  gapTest('is refused when the policy names the bare ARN of the group', async () => {
    const logs = await logsOf('bare', groupArn('/bare'));
    await expect(write(logs, '/bare')).rejects.toMatchObject({ name: 'AccessDeniedException' });
  });
});
