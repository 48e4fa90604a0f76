// What CloudWatch has of a metric.
import { CloudWatchClient, GetMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import type { Cloud } from '../../../local/cloud.ts';
import { clientConfig } from './harness.ts';

/** The statistic of a metric with exactly these dimensions over the last ten minutes; undefined without data. */
export async function statistic(
  cloud: Cloud,
  [Namespace, MetricName]: readonly [namespace: string, name: string],
  dimensions: Readonly<Record<string, string>> = {},
  Stat = 'Sum',
): Promise<number | undefined> {
  const Dimensions = Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
  // One period that holds all of them, wherever the hour has begun.
  const Period = 86_400 * 2;
  const { MetricDataResults = [] } = await new CloudWatchClient(clientConfig(cloud)).send(
    new GetMetricDataCommand({
      MetricDataQueries: [
        { Id: 'm', MetricStat: { Metric: { Namespace, MetricName, Dimensions }, Period, Stat } },
      ],
      StartTime: new Date(Date.now() - 600_000),
      EndTime: new Date(Date.now() + 60_000),
    }),
  );
  return MetricDataResults[0]?.Values?.[0];
}
