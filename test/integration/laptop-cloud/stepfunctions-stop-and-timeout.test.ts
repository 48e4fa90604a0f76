import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import {
  DescribeExecutionCommand,
  GetExecutionHistoryCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { describe, expect, it } from 'vitest';
import { createFunction, createMachine, ended, run } from './functions.ts';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();
const wait = (Seconds: number, more: object = { End: true }) => ({
  Type: 'Wait',
  Seconds,
  ...more,
});
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function start(definition: object, input: object = {}) {
  const sfn = new SFNClient(clientConfig(cloud()));
  const stateMachineArn = await createMachine(cloud(), definition);
  const { executionArn = '' } = await sfn.send(
    new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) }),
  );
  return { sfn, executionArn, stateMachineArn };
}

async function eventTypes(sfn: SFNClient, executionArn: string) {
  const { events = [] } = await sfn.send(new GetExecutionHistoryCommand({ executionArn }));
  return events.map(({ type }) => type);
}

gapTest('enters no further state after a stop', async () => {
  const { sfn, executionArn } = await start({
    StartAt: 'Both',
    States: {
      Both: {
        Type: 'Parallel',
        Branches: [
          {
            StartAt: 'Short',
            States: { Short: wait(1, { Next: 'Never' }), Never: { Type: 'Pass', End: true } },
          },
        ],
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'After' }],
        Next: 'After',
      },
      After: { Type: 'Pass', End: true },
    },
  });
  await eventually(async () =>
    (await eventTypes(sfn, executionArn)).includes('WaitStateEntered') ? true : undefined,
  );
  await sfn.send(new StopExecutionCommand({ executionArn, error: 'Enough', cause: 'a person' }));
  await pause(1500);
  const types = await eventTypes(sfn, executionArn);
  expect(types.at(-1)).toBe('ExecutionAborted');
  expect(types).not.toContain('PassStateEntered');
  expect(await sfn.send(new DescribeExecutionCommand({ executionArn }))).toMatchObject({
    status: 'ABORTED',
    error: 'Enough',
    cause: 'a person',
  });
});

gapTest('stays aborted when the task that was running fails afterwards', async () => {
  const resource = await createFunction(
    cloud(),
    'fails-late',
    `exports.handler = async () => { await new Promise((r) => setTimeout(r, 1000)); throw new Error('late'); };`,
  );
  const { sfn, executionArn } = await start({
    StartAt: 'Late',
    States: { Late: { Type: 'Task', Resource: resource, End: true } },
  });
  await pause(300);
  await sfn.send(new StopExecutionCommand({ executionArn }));
  await pause(1300);
  expect((await sfn.send(new DescribeExecutionCommand({ executionArn }))).status).toBe('ABORTED');
});

gapTest('times a state machine out', async () => {
  const execution = await run(cloud(), {
    TimeoutSeconds: 1,
    StartAt: 'Long',
    States: { Long: wait(15) },
  });
  expect(execution.status).toBe('TIMED_OUT');
});

it('times a task out with States.Timeout', async () => {
  const resource = await createFunction(
    cloud(),
    'sleeps',
    'exports.handler = () => new Promise((r) => setTimeout(r, 5000));',
  );
  const execution = await run(cloud(), {
    StartAt: 'Long',
    States: { Long: { Type: 'Task', Resource: resource, TimeoutSeconds: 1, End: true } },
  });
  expect(execution).toMatchObject({ status: 'FAILED', error: 'States.Timeout' });
});

gapTest('fails a state whose output is larger than 256 KiB', async () => {
  const resource = await createFunction(
    cloud(),
    'talkative',
    `exports.handler = async () => 'x'.repeat(300_000);`,
  );
  const execution = await run(cloud(), {
    StartAt: 'Rows',
    States: {
      Rows: {
        Type: 'Task',
        Resource: resource,
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }],
        Next: 'Caught',
      },
      Caught: { Type: 'Pass', End: true },
    },
  });
  expect(execution).toMatchObject({ status: 'FAILED', error: 'States.DataLimitExceeded' });
});

gapTest('runs fifty states in less than the emulator slept before the first', async () => {
  const states = Object.fromEntries(
    Array.from({ length: 50 }, (_, at) => [
      `S${at}`,
      { Type: 'Pass', ...(at === 49 ? { End: true } : { Next: `S${at + 1}` }) },
    ]),
  );
  const times = [];
  for (let repetition = 0; repetition < 5; repetition += 1) {
    const { startDate, stopDate } = await run(cloud(), { StartAt: 'S0', States: states });
    times.push(Number(stopDate) - Number(startDate));
  }
  expect(Math.min(...times)).toBeLessThan(150);
});

describe('status events', () => {
  async function statuses(rule: string) {
    const sqs = new SQSClient(clientConfig(cloud()));
    const events = new EventBridgeClient(clientConfig(cloud()));
    const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: rule }));
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
    );
    await events.send(
      new PutRuleCommand({
        Name: rule,
        EventPattern: JSON.stringify({
          source: ['aws.states'],
          'detail-type': ['Step Functions Execution Status Change'],
          detail: { status: ['FAILED', 'TIMED_OUT', 'ABORTED'] },
        }),
      }),
    );
    await events.send(
      new PutTargetsCommand({
        Rule: rule,
        Targets: [{ Id: 'queue', Arn: Attributes?.['QueueArn'] }],
      }),
    );
    return async () => {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 1 }),
      );
      return Messages.map(({ Body = '' }) => JSON.parse(Body));
    };
  }

  gapTest('tell of every unlucky end, a nested execution’s too', async () => {
    const receive = await statuses('unlucky');
    const child = await createMachine(cloud(), {
      StartAt: 'No',
      States: { No: { Type: 'Fail', Error: 'Child', Cause: 'why' } },
    });
    const parent = await run(cloud(), {
      StartAt: 'Nested',
      States: {
        Nested: {
          Type: 'Task',
          Resource: 'arn:aws:states:::states:startExecution.sync:2',
          Parameters: { StateMachineArn: child, Input: {} },
          End: true,
        },
      },
    });
    expect(parent).toMatchObject({ status: 'FAILED', error: 'States.TaskFailed' });
    expect(JSON.parse(parent.cause ?? '')).toMatchObject({ Error: 'Child', Status: 'FAILED' });
    const timedOut = await start(
      { TimeoutSeconds: 1, StartAt: 'W', States: { W: wait(15) } },
      { n: 1 },
    );
    await ended(cloud(), timedOut.executionArn);
    const received: { detail: Record<string, unknown> }[] = [];
    await eventually(async () => {
      received.push(...(await receive()));
      return received.length >= 3 ? true : undefined;
    });
    const late = received.find(({ detail }) => detail['status'] === 'TIMED_OUT');
    expect(late).toMatchObject({
      source: 'aws.states',
      resources: [timedOut.executionArn],
      detail: {
        executionArn: timedOut.executionArn,
        stateMachineArn: timedOut.stateMachineArn,
        input: '{"n":1}',
        output: null,
        startDate: expect.any(Number),
        stopDate: expect.any(Number),
      },
    });
    expect(received.map(({ detail }) => detail['error']).sort()).toEqual(
      ['Child', 'States.TaskFailed', null].sort(),
    );
  });
});

gapTest('stops a nested execution with its parent', async () => {
  const child = await createMachine(cloud(), { StartAt: 'W', States: { W: wait(15) } });
  const { sfn, executionArn } = await start({
    StartAt: 'Nested',
    States: {
      Nested: {
        Type: 'Task',
        Resource: 'arn:aws:states:::states:startExecution.sync:2',
        Parameters: { StateMachineArn: child, Name: 'the-child', Input: {} },
        End: true,
      },
    },
  });
  const childArn = `${child.replace(':stateMachine:', ':execution:')}:the-child`;
  await eventually(() =>
    sfn.send(new DescribeExecutionCommand({ executionArn: childArn })).catch(() => undefined),
  );
  await sfn.send(new StopExecutionCommand({ executionArn }));
  const { status, startDate, stopDate } = await ended(cloud(), childArn);
  expect(status).toBe('ABORTED');
  expect(Number(stopDate) - Number(startDate)).toBeLessThan(15_000);
});
