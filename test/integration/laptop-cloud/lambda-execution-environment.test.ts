import {
  CloudWatchLogsClient,
  DescribeLogStreamsCommand,
  GetLogEventsCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { LambdaClient, PublishLayerVersionCommand } from '@aws-sdk/client-lambda';
import { expect, it } from 'vitest';
import { createFunction, invoke, zip } from './functions.ts';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();

it('gives every JSON value to the handler and back', async () => {
  await createFunction(cloud(), 'echo', 'exports.handler = async (event) => event;');
  for (const event of ['text', 3.5, [1, 'two'], true, { nested: { a: [] } }, null]) {
    expect(await invoke(cloud(), 'echo', event)).toMatchObject({
      error: undefined,
      payload: event,
    });
  }
});

gapTest('answers a thrown error with its name, message and trace', async () => {
  await createFunction(
    cloud(),
    'throws',
    `class DataError extends Error { name = 'DataError'; }
     exports.handler = async () => { throw new DataError('row 7 has no label'); };`,
  );
  const { error, payload } = await invoke(cloud(), 'throws', {});
  expect(error).toBe('Unhandled');
  expect(payload).toMatchObject({ errorType: 'DataError', errorMessage: 'row 7 has no label' });
  expect(payload.trace[0]).toBe('DataError: row 7 has no label');
});

gapTest('keeps the environment, with what its module remembers, after a thrown error', async () => {
  await createFunction(
    cloud(),
    'remembers',
    `let calls = 0;
     exports.handler = async (event) => { calls += 1; if (event.fail) throw new Error('no'); return calls; };`,
  );
  await invoke(cloud(), 'remembers', {});
  await invoke(cloud(), 'remembers', { fail: true });
  expect((await invoke(cloud(), 'remembers', {})).payload).toBe(3);
});

gapTest(
  'names a runtime that was killed in the middle of an invocation, and replaces it',
  async () => {
    await createFunction(
      cloud(),
      'killed',
      `exports.handler = async (event) => {
       if (event.die) { process.kill(process.pid, 'SIGKILL'); await new Promise(() => {}); }
       return process.pid;
     };`,
    );
    const before = await invoke(cloud(), 'killed', {});
    const during = await invoke(cloud(), 'killed', { die: true });
    const after = await invoke(cloud(), 'killed', {});
    expect(during.error).toBe('Unhandled');
    expect(during.payload).toMatchObject({ errorType: 'Runtime.ExitError' });
    expect(during.payload.errorMessage).toMatch(/Runtime exited with error: signal: killed$/);
    expect(after.error).toBeUndefined();
    expect(after.payload).not.toBe(before.payload);
  },
);

gapTest('ends an invocation at the timeout and says so', async () => {
  await createFunction(cloud(), 'slow', 'exports.handler = () => new Promise(() => {});', {
    Timeout: 1,
  });
  const { error, payload, log } = await invoke(cloud(), 'slow', {});
  expect(error).toBe('Unhandled');
  expect(payload.errorType).toBe('Sandbox.Timedout');
  expect(payload.errorMessage).toMatch(
    /^RequestId: \S+ Error: Task timed out after 1\.00 seconds$/,
  );
  expect(log).toContain('Task timed out after 1.00 seconds');
});

gapTest('tells why a module cannot be loaded, and lets other environments live', async () => {
  await createFunction(
    cloud(),
    'fragile',
    `if (require('node:fs').existsSync(process.env.SWITCH)) throw new RangeError('not today');
     exports.handler = async (event) => {
       if (event.write) require('node:fs').writeFileSync(process.env.SWITCH, '');
       await new Promise((resolve) => setTimeout(resolve, event.wait ?? 0));
       return 'alive';
     };`,
    { Environment: { Variables: { SWITCH: `${cloud().folder}/switch` } } },
  );
  const longRunning = invoke(cloud(), 'fragile', { write: true, wait: 1500 });
  longRunning.catch(() => 'looked at below');
  await eventually(async () => {
    const { existsSync } = await import('node:fs');
    return existsSync(`${cloud().folder}/switch`) || undefined;
  });
  const { payload } = await invoke(cloud(), 'fragile', {});
  expect(payload).toMatchObject({ errorType: 'RangeError', errorMessage: 'not today' });
  expect((await longRunning).payload).toBe('alive');
});

it('runs concurrent invocations in environments of their own', async () => {
  await createFunction(
    cloud(),
    'meets',
    `exports.handler = async () => { await new Promise((r) => setTimeout(r, 400)); return process.pid; };`,
  );
  const answers = await Promise.all([1, 2, 3].map(() => invoke(cloud(), 'meets', {})));
  expect(new Set(answers.map(({ payload }) => payload)).size).toBe(3);
});

gapTest('shows the function its own variables and AWS’s, and none of the emulator’s', async () => {
  await createFunction(cloud(), 'variables', 'exports.handler = async () => process.env;', {
    Environment: { Variables: { MODEL: 'flights' } },
  });
  const { payload } = await invoke(cloud(), 'variables', {});
  expect(payload).toMatchObject({
    MODEL: 'flights',
    AWS_LAMBDA_FUNCTION_NAME: 'variables',
    AWS_LAMBDA_LOG_GROUP_NAME: '/aws/lambda/variables',
    AWS_REGION: 'us-east-1',
    AWS_ENDPOINT_URL: cloud().endpoint,
    AWS_EXECUTION_ENV: 'AWS_Lambda_nodejs24.x',
    TZ: ':UTC',
  });
  expect(payload).not.toHaveProperty('GATEWAY_PORT');
  expect(payload).not.toHaveProperty('STATE_DIR');
});

gapTest('resolves a package of a layer for require, and only there', async () => {
  const layer = await new LambdaClient(clientConfig(cloud())).send(
    new PublishLayerVersionCommand({
      LayerName: 'greeter',
      Content: {
        ZipFile: zip({ 'nodejs/node_modules/greeter/index.js': 'module.exports = "hello";' }),
      },
    }),
  );
  await createFunction(
    cloud(),
    'layered',
    `exports.handler = async () => ({ said: require('greeter'), path: require.resolve('greeter'), task: process.env.LAMBDA_TASK_ROOT });`,
    { Layers: [layer.LayerVersionArn ?? ''] },
  );
  const { payload } = await invoke(cloud(), 'layered', {});
  expect(payload.said).toBe('hello');
  expect(payload.path).toContain('/opt/nodejs/node_modules/greeter/');
  expect(payload.path.startsWith(payload.task)).toBe(false);
});

gapTest('writes one event per console call into the stream of the environment', async () => {
  await createFunction(
    cloud(),
    'talks',
    `exports.handler = async (event) => { console.log('first\\nof two'); console.error('wrong %d', event.n); process.stdout.write('raw\\n'); };`,
  );
  await invoke(cloud(), 'talks', { n: 1 });
  await invoke(cloud(), 'talks', { n: 2 });
  const logs = new CloudWatchLogsClient(clientConfig(cloud()));
  const logGroupName = '/aws/lambda/talks';
  const { logStreams = [] } = await logs.send(new DescribeLogStreamsCommand({ logGroupName }));
  expect(logStreams.map(({ logStreamName }) => logStreamName)).toEqual([
    expect.stringMatching(/^\d{4}\/\d{2}\/\d{2}\/\[\$LATEST\][0-9a-f]{32}$/),
  ]);
  const { events = [] } = await logs.send(
    new GetLogEventsCommand({
      logGroupName,
      logStreamName: logStreams[0]?.logStreamName,
      startFromHead: true,
    }),
  );
  const messages = events.map(({ message = '' }) => message);
  expect(messages).toHaveLength(12);
  expect(messages[0]).toMatch(/^START RequestId: \S+ Version: \$LATEST$/);
  expect(messages[1]).toMatch(/^\S+Z\t\S{36}\tINFO\tfirst\nof two$/);
  expect(messages[2]).toMatch(/\tERROR\twrong 1$/);
  expect(messages[3]).toBe('raw');
  expect(messages[5]).toMatch(
    /^REPORT RequestId: \S+\tDuration: [\d.]+ ms\t.*Init Duration: [\d.]+ ms$/,
  );
  expect(messages[11]).not.toContain('Init Duration');
});

gapTest('adds no waiting of its own to an invocation that prints nothing', async () => {
  await createFunction(cloud(), 'quick', 'exports.handler = async () => Date.now();');
  await invoke(cloud(), 'quick', {});
  const gaps: number[] = [];
  for (let call = 0; call < 15; call += 1) {
    const { payload } = await invoke(cloud(), 'quick', {});
    gaps.push(Date.now() - payload);
  }
  // The emulator's wait for log lines is a constant: 50 ms after every handler, in the quickest case too.
  expect(Math.min(...gaps)).toBeLessThan(50);
});

gapTest('lets somebody else kill a busy environment, whose caller is told', async () => {
  await createFunction(cloud(), 'victim', 'exports.handler = () => new Promise(() => {});');
  const answer = invoke(cloud(), 'victim', {});
  answer.catch(() => 'looked at below');
  const pid = await eventually(async () => {
    const response = await fetch(`${cloud().endpoint}/_laptop/lambda`);
    const environments = (await response.json()) as {
      function: string;
      pid: number;
      busy: boolean;
    }[];
    return environments.find((one) => one.function === 'victim' && one.busy)?.pid;
  });
  process.kill(pid, 'SIGKILL');
  expect((await answer).payload.errorType).toBe('Runtime.ExitError');
});
