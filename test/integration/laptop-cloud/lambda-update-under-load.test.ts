import {
  LambdaClient,
  UpdateFunctionCodeCommand,
  UpdateFunctionConfigurationCommand,
} from '@aws-sdk/client-lambda';
import { expect } from 'vitest';
import { createFunction, invoke, zip } from './functions.ts';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();

const code = (version: string) =>
  `exports.handler = async (event) => { await new Promise((r) => setTimeout(r, event.ms ?? 0)); return '${version}'; };`;

/** Process ids of the function's environments. */
async function environments(): Promise<number[]> {
  const answer = await fetch(`${cloud().endpoint}/_laptop/lambda`);
  const all = (await answer.json()) as { function: string; pid: number; busy: boolean }[];
  return all.filter((one) => one.function === 'updated' && one.busy).map(({ pid }) => pid);
}

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

gapTest('an update lets running invocations end and starts the next ones anew', async () => {
  const lambda = new LambdaClient(clientConfig(cloud()));
  await createFunction(cloud(), 'updated', code('one'));
  const running = invoke(cloud(), 'updated', { ms: 2000 });
  running.catch(() => 'looked at below');
  const [old = 0] = await eventually(async () => {
    const pids = await environments();
    return pids.length > 0 ? pids : undefined;
  });
  await lambda.send(
    new UpdateFunctionCodeCommand({
      FunctionName: 'updated',
      ZipFile: zip({ 'index.js': code('two') }),
    }),
  );
  await lambda.send(
    new UpdateFunctionConfigurationCommand({ FunctionName: 'updated', MemorySize: 256 }),
  );
  expect((await invoke(cloud(), 'updated', {})).payload).toBe('two');
  expect(await running).toMatchObject({ error: undefined, payload: 'one' });
  await eventually(() => (isAlive(old) ? undefined : true));
});
