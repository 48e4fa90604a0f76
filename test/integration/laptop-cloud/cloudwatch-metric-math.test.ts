import {
  CloudWatchClient,
  GetMetricDataCommand,
  PutMetricDataCommand,
} from '@aws-sdk/client-cloudwatch';
import { expect } from 'vitest';
import { clientConfig, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();
const minute = 60_000;
const start = Math.floor(Date.now() / minute) * minute - 10 * minute;
const at = (n: number) => new Date(start + n * minute);

async function ask(expression: string, scanBy?: 'TimestampAscending') {
  const stat = (Id: string, MetricName: string) => ({
    Id,
    ReturnData: false,
    MetricStat: {
      Metric: {
        Namespace: 'Math',
        MetricName,
        Dimensions: [{ Name: 'Model', Value: 'a' }],
      },
      Period: 60,
      Stat: 'Sum',
    },
  });
  const answer = await new CloudWatchClient(clientConfig(cloud())).send(
    new GetMetricDataCommand({
      MetricDataQueries: [
        { Id: 'answer', Expression: expression },
        stat('errors', 'Errors'),
        stat('all', 'Requests'),
      ],
      StartTime: at(0),
      EndTime: at(4),
      ...(scanBy ? { ScanBy: scanBy } : {}),
    }),
  );
  const [result] = answer.MetricDataResults ?? [];
  const times = (result?.Timestamps ?? []).map((time) => (Number(time) - start) / minute);
  return Object.fromEntries(times.map((time, index) => [time, result?.Values?.[index]]));
}

gapTest(
  'expressions are evaluated per period over the metrics with exactly these dimensions',
  async () => {
    const client = new CloudWatchClient(clientConfig(cloud()));
    const datum = (MetricName: string, Value: number, minutes: number, model = 'a') => ({
      MetricName,
      Value,
      Timestamp: at(minutes),
      Dimensions: [{ Name: 'Model', Value: model }],
    });
    await client.send(
      new PutMetricDataCommand({
        Namespace: 'Math',
        MetricData: [
          ...[datum('Requests', 10, 0), datum('Requests', 20, 1), datum('Requests', 0, 3)],
          ...[datum('Errors', 1, 0), datum('Errors', 3, 1), datum('Errors', 99, 1, 'b')],
        ],
      }),
    );
    expect(await ask('100 * errors / all')).toEqual({ 0: 10, 1: 15 });
    expect(await ask('all - FILL(errors, 0)')).toEqual({ 0: 9, 1: 17, 3: 0 });
    expect(await ask('FILL(all, REPEAT)')).toEqual({ 0: 10, 1: 20, 2: 20, 3: 0 });
    expect(await ask('IF(all > 15 AND errors >= 3, 1, 0)')).toEqual({ 0: 0, 1: 1 });
    expect(await ask('SUM(METRICS())')).toEqual({ 0: 11, 1: 23, 3: 0 });
    expect(await ask('MAX([errors, all / 10]) ^ 2')).toEqual({ 0: 1, 1: 9, 3: 0 });
    expect(await ask('errors / all')).not.toHaveProperty('3');
    await expect(ask('NOSUCH(errors)')).rejects.toThrow('NOSUCH');
    const order = async (scanBy?: 'TimestampAscending') => {
      const { MetricDataResults = [] } = await client.send(
        new GetMetricDataCommand({
          MetricDataQueries: [
            {
              Id: 'm',
              MetricStat: {
                Metric: {
                  Namespace: 'Math',
                  MetricName: 'Requests',
                  Dimensions: [{ Name: 'Model', Value: 'a' }],
                },
                Period: 60,
                Stat: 'Sum',
              },
            },
          ],
          StartTime: at(0),
          EndTime: at(2),
          ...(scanBy ? { ScanBy: scanBy } : {}),
        }),
      );
      return MetricDataResults[0]?.Values;
    };
    expect(await order()).toEqual([20, 10]);
    expect(await order('TimestampAscending')).toEqual([10, 20]);
  },
);
