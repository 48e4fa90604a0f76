import { expect } from 'vitest';
import { run } from './functions.ts';
import { gapTest, useCloud } from './harness.ts';
import { statistic } from './metrics.ts';

const cloud = useCloud();

gapTest('counts a state machine’s executions by how they ended', async () => {
  const { stateMachineArn = '' } = await run(cloud(), {
    TimeoutSeconds: 1,
    StartAt: 'Long',
    States: { Long: { Type: 'Wait', Seconds: 10, End: true } },
  });
  const of = (name: string, stat?: string) =>
    statistic(cloud(), ['AWS/States', name], { StateMachineArn: stateMachineArn }, stat);
  expect(await of('ExecutionsStarted')).toBe(1);
  expect(await of('ExecutionsTimedOut')).toBe(1);
  expect(await of('ExecutionsFailed')).toBe(0);
  expect(await of('ExecutionsSucceeded')).toBeUndefined();
  expect(await of('ExecutionTime', 'Maximum')).toBeGreaterThanOrEqual(1000);
});
