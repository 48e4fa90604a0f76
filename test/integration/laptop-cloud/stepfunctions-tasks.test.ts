import { GetExecutionHistoryCommand, SFNClient } from '@aws-sdk/client-sfn';
import { beforeAll, expect, it } from 'vitest';
import { createFunction, output, run } from './functions.ts';
import { clientConfig, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();
let worker = '';

beforeAll(async () => {
  worker = await createFunction(
    cloud(),
    'worker',
    `const attempts = new Map();
     class DataError extends Error { name = 'DataError'; }
     exports.handler = async (event) => {
       const attempt = (attempts.get(event.key) ?? 0) + 1;
       attempts.set(event.key, attempt);
       if (event.die) { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}); }
       if (attempt <= (event.failures ?? 0)) throw new DataError('attempt ' + attempt);
       return { attempt };
     };`,
  );
});

const task = (more: object = {}) => ({
  Type: 'Task',
  Resource: 'arn:aws:states:::lambda:invoke',
  Parameters: { FunctionName: worker, 'Payload.$': '$' },
  OutputPath: '$.Payload',
  End: true,
  ...more,
});
const machine = (states: object, more: object = {}) => ({
  StartAt: Object.keys(states)[0],
  States: states,
  ...more,
});
const caught = { Type: 'Pass', End: true };
const quickly = { IntervalSeconds: 1, BackoffRate: 1, MaxAttempts: 2 };

gapTest('catches a function’s error by its name, with AWS’s cause', async () => {
  const execution = await run(
    cloud(),
    machine({
      Try: task({ Catch: [{ ErrorEquals: ['DataError'], ResultPath: '$.error', Next: 'Caught' }] }),
      Caught: caught,
    }),
    { key: 'named', failures: 1 },
  );
  expect(execution.status).toBe('SUCCEEDED');
  const { error } = output(execution);
  expect(error.Error).toBe('DataError');
  expect(JSON.parse(error.Cause)).toMatchObject({
    errorType: 'DataError',
    errorMessage: 'attempt 1',
    trace: expect.arrayContaining(['DataError: attempt 1']),
  });
});

gapTest('retries a killed runtime under its name', async () => {
  const execution = await run(
    cloud(),
    machine({
      Try: task({
        Retry: [{ ErrorEquals: ['Runtime.ExitError'], ...quickly, MaxAttempts: 1 }],
        Catch: [{ ErrorEquals: ['Runtime.ExitError'], Next: 'Caught' }],
      }),
      Caught: caught,
    }),
    { key: 'killed', die: true },
  );
  expect(output(execution).Error).toBe('Runtime.ExitError');
});

gapTest('retries a Map and a Parallel as wholes', async () => {
  const inner = machine({ Try: task() });
  const again = { Retry: [{ ErrorEquals: ['DataError'], ...quickly }], End: true };
  const [map, parallel] = await Promise.all([
    run(
      cloud(),
      machine({ Each: { Type: 'Map', ItemsPath: '$.items', ItemProcessor: inner, ...again } }),
      { items: [{ key: 'map', failures: 1 }] },
    ),
    run(cloud(), machine({ Both: { Type: 'Parallel', Branches: [inner], ...again } }), {
      key: 'parallel',
      failures: 1,
    }),
  ]);
  expect(output(map)).toEqual([{ attempt: 2 }]);
  expect(output(parallel)).toEqual([{ attempt: 2 }]);
});

gapTest('does not catch States.Runtime with States.ALL', async () => {
  const broken = {
    Type: 'Pass',
    Parameters: { 'value.$': '$.absent' },
    End: true,
  };
  const execution = await run(
    cloud(),
    machine({
      Both: {
        Type: 'Parallel',
        Branches: [machine({ Broken: broken })],
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught' }],
        End: true,
      },
      Caught: caught,
    }),
  );
  expect(execution).toMatchObject({ status: 'FAILED', error: 'States.Runtime' });
});

gapTest('records attempts as AWS does, in branches too', async () => {
  const execution = await run(
    cloud(),
    machine({
      Each: {
        Type: 'Map',
        ItemsPath: '$.items',
        ItemProcessor: machine({
          Try: task({ Retry: [{ ErrorEquals: ['DataError'], ...quickly }] }),
        }),
        End: true,
      },
    }),
    { items: [{ key: 'history', failures: 1 }] },
  );
  const { events = [] } = await new SFNClient(clientConfig(cloud())).send(
    new GetExecutionHistoryCommand({ executionArn: execution.executionArn, maxResults: 1000 }),
  );
  const ofTheTask = events.filter(({ type = '' }) => type.startsWith('Task'));
  expect(ofTheTask.map(({ type }) => type)).toEqual([
    'TaskStateEntered',
    ...['TaskScheduled', 'TaskStarted', 'TaskFailed'],
    ...['TaskScheduled', 'TaskStarted', 'TaskSucceeded'],
    'TaskStateExited',
  ]);
  expect(ofTheTask[0]?.stateEnteredEventDetails).toMatchObject({
    name: 'Try',
    input: JSON.stringify({ key: 'history', failures: 1 }).replaceAll(/([:,])/g, '$1 '),
  });
  expect(ofTheTask[3]?.taskFailedEventDetails).toMatchObject({
    resourceType: 'lambda',
    resource: 'invoke',
    error: 'DataError',
  });
  expect(JSON.parse(ofTheTask[1]?.taskScheduledEventDetails?.parameters ?? '')).toMatchObject({
    FunctionName: worker,
  });
  for (const [at, event] of ofTheTask.entries()) {
    if (at > 0) expect(event.previousEventId).toBe(ofTheTask[at - 1]?.id);
  }
});

gapTest('says what failed when a function is invoked by its ARN', async () => {
  const execution = await run(
    cloud(),
    machine({ Direct: { Type: 'Task', Resource: worker, End: true } }),
    { key: 'direct', failures: 1 },
  );
  const { events = [] } = await new SFNClient(clientConfig(cloud())).send(
    new GetExecutionHistoryCommand({ executionArn: execution.executionArn }),
  );
  expect(events.map(({ type }) => type)).toEqual([
    ...['ExecutionStarted', 'TaskStateEntered'],
    ...[
      'LambdaFunctionScheduled',
      'LambdaFunctionStarted',
      'LambdaFunctionFailed',
      'ExecutionFailed',
    ],
  ]);
  expect(events[4]?.lambdaFunctionFailedEventDetails?.error).toBe('DataError');
  expect(events[5]?.executionFailedEventDetails?.error).toBe('DataError');
});

it('counts retries in the context object', async () => {
  const execution = await run(
    cloud(),
    machine({
      Try: task({
        Parameters: {
          FunctionName: worker,
          Payload: {
            'key.$': "States.Format('{}-{}', $.key, $$.State.RetryCount)",
            'failures.$': '$.failures',
          },
        },
        Retry: [{ ErrorEquals: ['States.ALL'], ...quickly, MaxAttempts: 1 }],
        Catch: [{ ErrorEquals: ['States.ALL'], Next: 'Caught', ResultPath: null }],
      }),
      Caught: caught,
    }),
    { key: 'counted', failures: 1 },
  );
  // Each attempt had a key of its own, so each was the first of its key and failed.
  expect(output(execution)).toEqual({ key: 'counted', failures: 1 });
});
