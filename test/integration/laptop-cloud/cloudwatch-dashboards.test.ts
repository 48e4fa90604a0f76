import {
  CloudWatchClient,
  ListDashboardsCommand,
  PutDashboardCommand,
} from '@aws-sdk/client-cloudwatch';
import { expect } from 'vitest';
import { clientConfig, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();

gapTest('dashboards are listed by name, with when each was written', async () => {
  const cloudwatch = new CloudWatchClient(clientConfig(cloud()));
  const DashboardBody = JSON.stringify({ widgets: [] });
  for (const DashboardName of ['b', 'a', 'other']) {
    await cloudwatch.send(new PutDashboardCommand({ DashboardName, DashboardBody }));
  }
  const { DashboardEntries = [] } = await cloudwatch.send(new ListDashboardsCommand({}));
  expect(DashboardEntries.map(({ DashboardName }) => DashboardName)).toEqual(['a', 'b', 'other']);
  const [first] = DashboardEntries;
  expect(first?.DashboardArn).toMatch(/^arn:aws:cloudwatch::\d{12}:dashboard\/a$/);
  expect(first?.Size).toBe(DashboardBody.length);
  expect(Math.abs(Date.now() - (first?.LastModified?.getTime() ?? 0))).toBeLessThan(120_000);
  const some = await cloudwatch.send(new ListDashboardsCommand({ DashboardNamePrefix: 'o' }));
  expect(some.DashboardEntries?.map(({ DashboardName }) => DashboardName)).toEqual(['other']);
});
