import { expect } from 'vitest';
import { createFunction, invoke, run } from './functions.ts';
import { gapTest, useCloud } from './harness.ts';
import { statistic } from './metrics.ts';

const cloud = useCloud();

const of = (name: string, stat?: string) =>
  statistic(cloud(), ['AWS/Lambda', name], { FunctionName: 'counted' }, stat);

gapTest('counts every invocation, whoever made it, and how long its handler took', async () => {
  const Resource = await createFunction(
    cloud(),
    'counted',
    `exports.handler = async (event) => {
       if (event.fail) throw new Error('no');
       await new Promise((resolve) => setTimeout(resolve, 30));
     };`,
  );
  await invoke(cloud(), 'counted', {});
  await run(cloud(), { StartAt: 'A', States: { A: { Type: 'Task', Resource, End: true } } });
  await run(
    cloud(),
    { StartAt: 'A', States: { A: { Type: 'Task', Resource, End: true } } },
    { fail: true },
  );
  expect(await of('Invocations')).toBe(3);
  expect(await of('Errors')).toBe(1);
  expect(await of('Errors', 'SampleCount')).toBe(3);
  expect(await of('Duration', 'Maximum')).toBeGreaterThanOrEqual(29);
});
