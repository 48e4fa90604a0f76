import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { expect } from 'vitest';
import { clientConfig, gapTest, useCloud } from './harness.ts';
import { assumeNewRole } from './rest-api.ts';

const cloud = useCloud();

gapTest('a role may put events of the source that its policy names, and of no other', async () => {
  const credentials = await assumeNewRole(cloud(), 'teller', [
    {
      Effect: 'Allow',
      Action: 'events:PutEvents',
      Resource: `arn:aws:events:${cloud().region}:${cloud().accountId}:event-bus/default`,
      Condition: { StringEquals: { 'events:source': 'ours' } },
    },
  ]);
  const events = new EventBridgeClient({ ...clientConfig(cloud()), credentials });
  const put = (...sources: string[]) =>
    events.send(
      new PutEventsCommand({
        Entries: sources.map((Source) => ({
          ...{ EventBusName: 'default', Source },
          ...{ DetailType: 'Told', Detail: '{}' },
        })),
      }),
    );
  expect(await put('ours', 'ours')).toMatchObject({ FailedEntryCount: 0 });
  await expect(put('theirs')).rejects.toMatchObject({ name: 'AccessDeniedException' });
  await expect(put('ours', 'theirs')).rejects.toMatchObject({ name: 'AccessDeniedException' });
});
