import { ExecutionAlreadyExists, SFNClient, StartExecutionCommand } from '@aws-sdk/client-sfn';
import { expect } from 'vitest';
import { createMachine, ended } from './functions.ts';
import { clientConfig, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();

gapTest(
  'a name and input of a running execution is that execution; anything else is refused',
  async () => {
    const sfn = new SFNClient(clientConfig(cloud()));
    const stateMachineArn = await createMachine(cloud(), {
      StartAt: 'Wait',
      States: { Wait: { Type: 'Wait', Seconds: 2, End: true } },
    });
    const start = (input: string) =>
      sfn.send(new StartExecutionCommand({ stateMachineArn, name: 'once', input }));
    const first = await start('{"a":1}');
    const again = await start('{"a":1}');
    expect(again.executionArn).toBe(first.executionArn);
    expect(again.startDate).toEqual(first.startDate);
    await expect(start('{"a":2}')).rejects.toBeInstanceOf(ExecutionAlreadyExists);
    await ended(cloud(), first.executionArn ?? '');
    await expect(start('{"a":1}')).rejects.toBeInstanceOf(ExecutionAlreadyExists);
  },
);
