import { CloudWatchClient, GetMetricStatisticsCommand } from '@aws-sdk/client-cloudwatch';
import { expect } from 'vitest';
import { createFunction, invoke, run } from './functions.ts';
import { clientConfig, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();

async function statistic(MetricName: string, Statistics: 'Sum' | 'SampleCount' | 'Maximum') {
  const { Datapoints = [] } = await new CloudWatchClient(clientConfig(cloud())).send(
    new GetMetricStatisticsCommand({
      Namespace: 'AWS/Lambda',
      MetricName,
      Dimensions: [{ Name: 'FunctionName', Value: 'counted' }],
      Period: 3600,
      Statistics: [Statistics],
      StartTime: new Date(Date.now() - 3_600_000),
      EndTime: new Date(Date.now() + 3_600_000),
    }),
  );
  return Datapoints.map((point) => point[Statistics] ?? 0).reduce((sum, value) => sum + value, 0);
}

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
  expect(await statistic('Invocations', 'Sum')).toBe(3);
  expect(await statistic('Errors', 'Sum')).toBe(1);
  expect(await statistic('Errors', 'SampleCount')).toBe(3);
  expect(await statistic('Duration', 'Maximum')).toBeGreaterThanOrEqual(29);
});
