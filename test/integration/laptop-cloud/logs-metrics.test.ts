import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  CreateLogStreamCommand,
  FilterLogEventsCommand,
  PutLogEventsCommand,
  PutMetricFilterCommand,
} from '@aws-sdk/client-cloudwatch-logs';
import { expect } from 'vitest';
import { createFunction, invoke } from './functions.ts';
import { clientConfig, gapTest, useCloud } from './harness.ts';
import { statistic } from './metrics.ts';

const cloud = useCloud();
const logs = () => new CloudWatchLogsClient(clientConfig(cloud()));

const total = (
  namespace: string,
  name: string,
  dimensions: Record<string, string> = {},
  stat = 'Sum',
) => statistic(cloud(), [namespace, name], dimensions, stat);

gapTest('a function’s lines in the embedded metric format are metrics', async () => {
  await createFunction(
    cloud(),
    'emits',
    `exports.handler = async (event) => {
       const line = (Model, Latency) => JSON.stringify({
         _aws: { Timestamp: Date.now(), CloudWatchMetrics: [{ Namespace: 'Serving', Dimensions: [['Model'], []],
           Metrics: [{ Name: 'Latency', Unit: 'Milliseconds' }, { Name: 'Absent' }] }] }, Model, Latency });
       console.log(line('flights', [1, 2, 3]));
       process.stdout.write(line('other', 10) + '\\n');
     };`,
  );
  await invoke(cloud(), 'emits', {});
  expect(await total('Serving', 'Latency', { Model: 'flights' })).toBe(6);
  expect(await total('Serving', 'Latency', { Model: 'flights' }, 'SampleCount')).toBe(3);
  expect(await total('Serving', 'Latency', { Model: 'other' })).toBe(10);
  expect(await total('Serving', 'Latency')).toBe(16);
  expect(await total('Serving', 'Absent')).toBeUndefined();
});

gapTest('a metric filter counts and measures the events that its pattern selects', async () => {
  const logGroupName = '/test/filtered';
  await logs().send(new CreateLogGroupCommand({ logGroupName }));
  await logs().send(new CreateLogStreamCommand({ logGroupName, logStreamName: 's' }));
  const filter = (filterName: string, filterPattern: string, metricValue: string, more = {}) =>
    logs().send(
      new PutMetricFilterCommand({
        logGroupName,
        filterName,
        filterPattern,
        metricTransformations: [
          { metricName: filterName, metricNamespace: 'Filtered', metricValue, ...more },
        ],
      }),
    );
  await filter('Errors', '{ $.level = "ERROR" && ($.code >= 500 || $.code NOT EXISTS) }', '1', {
    defaultValue: 0,
  });
  await filter('Size', '{ $.bytes > 0 }', '$.bytes', { dimensions: { Model: '$.model' } });
  await filter('Words', '?late ?lost -found', '1');
  const messages = [
    { level: 'ERROR', code: 503 },
    { level: 'ERROR', code: 404 },
    { level: 'ERROR' },
    { level: 'INFO', bytes: 7, model: 'flights' },
    { level: 'INFO', bytes: 5, model: 'flights' },
  ].map((message) => JSON.stringify(message));
  await logs().send(
    new PutLogEventsCommand({
      logGroupName,
      logStreamName: 's',
      logEvents: [...messages, 'late', 'lost and found', 'Lost', 'lost'].map((message) => ({
        message,
        timestamp: Date.now(),
      })),
    }),
  );
  expect(await total('Filtered', 'Errors')).toBe(2);
  expect(await total('Filtered', 'Errors', {}, 'SampleCount')).toBe(9);
  expect(await total('Filtered', 'Size', { Model: 'flights' })).toBe(12);
  expect(await total('Filtered', 'Size')).toBeUndefined();
  expect(await total('Filtered', 'Words')).toBe(2);
});

gapTest('a JSON pattern selects events for reading', async () => {
  const logGroupName = '/test/read';
  await logs().send(new CreateLogGroupCommand({ logGroupName }));
  await logs().send(new CreateLogStreamCommand({ logGroupName, logStreamName: 's' }));
  const lines = ['{"run":"a-1","n":1}', '{"run":"b-1","n":2}', '{"run":"a-2","n":[3]}', 'plain'];
  await logs().send(
    new PutLogEventsCommand({
      logGroupName,
      logStreamName: 's',
      logEvents: lines.map((message, at) => ({ message, timestamp: Date.now() + at })),
    }),
  );
  const select = async (filterPattern: string) => {
    const { events = [] } = await logs().send(
      new FilterLogEventsCommand({ logGroupName, filterPattern }),
    );
    return events.map(({ message = '' }) => lines.indexOf(message));
  };
  expect(await select('{ $.run = "a-*" }')).toEqual([0, 2]);
  expect(await select('{ $.run != "a-*" }')).toEqual([1]);
  expect(await select('{ $.n[0] = 3 }')).toEqual([2]);
  expect(await select('{ $.n < 2 || $.run = b-1 }')).toEqual([0, 1]);
});
