import {
  EventBridgeClient,
  PutEventsCommand,
  PutRuleCommand,
  PutTargetsCommand,
} from '@aws-sdk/client-eventbridge';
import { expect } from 'vitest';
import { createMachine, createRole } from './functions.ts';
import { clientConfig, gapTest, useCloud } from './harness.ts';
import { queue } from './queues.ts';

const cloud = useCloud();

gapTest('an event whose target is gone ends in the dead-letter queue of the target', async () => {
  const { arn, next } = await queue(cloud(), 'orphans');
  const events = new EventBridgeClient(clientConfig(cloud()));
  await events.send(
    new PutRuleCommand({ Name: 'gone', EventPattern: JSON.stringify({ source: ['orphan'] }) }),
  );
  const Arn = `arn:aws:lambda:${cloud().region}:${cloud().accountId}:function:gone`;
  const Targets = [{ Id: 'f', Arn, DeadLetterConfig: { Arn: arn } }];
  await events.send(new PutTargetsCommand({ Rule: 'gone', Targets }));
  const Entries = [{ Source: 'orphan', DetailType: 'x', Detail: '{"a":1}' }];
  await events.send(new PutEventsCommand({ Entries }));
  const { body, attributes } = await next();
  expect(body).toMatchObject({ source: 'orphan', detail: { a: 1 } });
  expect(attributes).toMatchObject({ TARGET_ARN: { StringValue: Arn } });
});

gapTest('an event that the role may not bring to a state machine ends there too', async () => {
  const { arn, next } = await queue(cloud(), 'forbidden');
  const events = new EventBridgeClient(clientConfig(cloud()));
  await events.send(
    new PutRuleCommand({ Name: 'role', EventPattern: JSON.stringify({ source: ['role'] }) }),
  );
  const Arn = await createMachine(cloud(), {
    StartAt: 'End',
    States: { End: { Type: 'Pass', End: true } },
  });
  const RoleArn = await createRole(cloud(), 'powerless', []);
  const Targets = [{ Id: 'machine', Arn, RoleArn, DeadLetterConfig: { Arn: arn } }];
  await events.send(new PutTargetsCommand({ Rule: 'role', Targets }));
  const Entries = [{ Source: 'role', DetailType: 'x', Detail: '{"a":1}' }];
  await events.send(new PutEventsCommand({ Entries }));
  expect((await next()).attributes).toMatchObject({
    ERROR_CODE: { StringValue: 'NO_PERMISSIONS' },
  });
});
