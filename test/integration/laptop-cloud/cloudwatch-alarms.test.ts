import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import {
  CloudWatchClient,
  type CloudWatchClientConfig,
  DescribeAlarmHistoryCommand,
  DescribeAlarmsCommand,
  type Dimension,
  PutCompositeAlarmCommand,
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
  PutMetricDataCommand,
} from '@aws-sdk/client-cloudwatch';
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();
const period = 10;
const config = (): CloudWatchClientConfig => clientConfig(cloud());
const client = () => new CloudWatchClient(config());

let queueUrl = '';
let topicArn = '';
// biome-ignore lint/suspicious/noExplicitAny: events of AWS, as JSON
const received: any[] = [];

beforeAll(async () => {
  const sqs = new SQSClient(clientConfig(cloud()));
  const events = new EventBridgeClient(clientConfig(cloud()));
  const sns = new SNSClient(clientConfig(cloud()));
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Action: 'sqs:SendMessage',
        Resource: 'arn:aws:sqs:us-east-1:000000000000:alarms',
        Principal: { Service: ['events.amazonaws.com', 'sns.amazonaws.com'] },
      },
    ],
  });
  const queue = new CreateQueueCommand({ QueueName: 'alarms', Attributes: { Policy } });
  queueUrl = (await sqs.send(queue)).QueueUrl ?? '';
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ['QueueArn'] }),
  );
  const queueArn = Attributes?.['QueueArn'];
  await events.send(
    new PutRuleCommand({
      Name: 'alarms',
      EventPattern: JSON.stringify({
        source: ['aws.cloudwatch'],
        'detail-type': ['CloudWatch Alarm State Change'],
        detail: { state: { value: ['ALARM', 'OK'] } },
      }),
    }),
  );
  await events.send(
    new PutTargetsCommand({ Rule: 'alarms', Targets: [{ Id: 'q', Arn: queueArn }] }),
  );
  topicArn = (await sns.send(new CreateTopicCommand({ Name: 'alarms' }))).TopicArn ?? '';
  await sns.send(
    new SubscribeCommand({
      TopicArn: topicArn,
      Protocol: 'sqs',
      Endpoint: queueArn,
      Attributes: { RawMessageDelivery: 'true' },
    }),
  );
});

async function alarm(name: string, more: Partial<PutMetricAlarmCommandInput> = {}): Promise<void> {
  await client().send(
    new PutMetricAlarmCommand({
      AlarmName: name,
      Namespace: 'Test',
      MetricName: 'Drift',
      Dimensions: [{ Name: 'Model', Value: name }],
      Statistic: 'Maximum',
      Period: period,
      EvaluationPeriods: 1,
      Threshold: 2,
      ComparisonOperator: 'GreaterThanThreshold',
      TreatMissingData: 'ignore',
      ...more,
    }),
  );
}

async function put(model: string, value: number, at = new Date(), name = 'Drift'): Promise<void> {
  const Dimensions: Dimension[] = [{ Name: 'Model', Value: model }];
  await client().send(
    new PutMetricDataCommand({
      Namespace: 'Test',
      MetricData: [{ MetricName: name, Value: value, Timestamp: at, Dimensions }],
    }),
  );
}

async function state(name: string): Promise<string | undefined> {
  const { MetricAlarms = [], CompositeAlarms = [] } = await client().send(
    new DescribeAlarmsCommand({
      AlarmNames: [name],
      AlarmTypes: ['MetricAlarm', 'CompositeAlarm'],
    }),
  );
  return [...MetricAlarms, ...CompositeAlarms][0]?.StateValue;
}

const becomes = (name: string, wanted: string) =>
  eventually(async () => ((await state(name)) === wanted ? true : undefined));

/** The middle of the n-th period before the present one. */
const periodsAgo = (n: number) =>
  new Date((Math.floor(Date.now() / 1000 / period) - n) * period * 1000 + (period * 1000) / 2);

// biome-ignore lint/suspicious/noExplicitAny: events of AWS, as JSON
async function message(wanted: (body: any) => boolean): Promise<any> {
  const sqs = new SQSClient(clientConfig(cloud()));
  return eventually(async () => {
    const { Messages = [] } = await sqs.send(
      new ReceiveMessageCommand({ QueueUrl: queueUrl, MaxNumberOfMessages: 10 }),
    );
    received.push(...Messages.map(({ Body = '' }) => JSON.parse(Body)));
    return received.find(wanted);
  });
}

describe.concurrent('a metric alarm', () => {
  gapTest(
    'fires as time goes by, for its own dimensions, and tells EventBridge and SNS',
    async () => {
      await alarm('flights', { AlarmActions: [topicArn], AlarmDescription: 'inputs drifted' });
      await alarm('other');
      await put('flights', 3);
      await becomes('flights', 'ALARM');
      const event = await message((body) => body.detail?.alarmName === 'flights');
      expect(event).toMatchObject({
        source: 'aws.cloudwatch',
        'detail-type': 'CloudWatch Alarm State Change',
        resources: ['arn:aws:cloudwatch:us-east-1:000000000000:alarm:flights'],
        detail: {
          state: { value: 'ALARM', timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*\+0000$/) },
          previousState: { value: 'INSUFFICIENT_DATA' },
          configuration: {
            description: 'inputs drifted',
            metrics: [
              {
                returnData: true,
                metricStat: {
                  metric: { namespace: 'Test', name: 'Drift', dimensions: { Model: 'flights' } },
                  period,
                  stat: 'Maximum',
                },
              },
            ],
          },
        },
      });
      expect(JSON.parse(event.detail.state.reasonData)).toMatchObject({
        threshold: 2,
        recentDatapoints: [3],
      });
      expect(event.detail.state.reason).toMatch(
        /^Threshold Crossed: 1 datapoint \[3\.0 \(.*\)\] was greater than the threshold \(2\.0\)\.$/,
      );
      expect(await message((body) => body.AlarmName === 'flights')).toMatchObject({
        NewStateValue: 'ALARM',
        OldStateValue: 'INSUFFICIENT_DATA',
        AlarmArn: 'arn:aws:cloudwatch:us-east-1:000000000000:alarm:flights',
        Trigger: {
          MetricName: 'Drift',
          Statistic: 'MAXIMUM',
          Dimensions: [{ name: 'Model', value: 'flights' }],
          TreatMissingData: 'ignore',
        },
      });
      expect(await state('other')).toBe('INSUFFICIENT_DATA');
      const { AlarmHistoryItems = [] } = await client().send(
        new DescribeAlarmHistoryCommand({ AlarmName: 'flights', HistoryItemType: 'StateUpdate' }),
      );
      expect(AlarmHistoryItems.map(({ HistorySummary }) => HistorySummary)).toContain(
        'Alarm updated from INSUFFICIENT_DATA to ALARM',
      );
    },
  );

  gapTest('fires on M out of N data points, not on fewer', async () => {
    const twoOfThree = { EvaluationPeriods: 3, DatapointsToAlarm: 2 };
    await put('two', 3, periodsAgo(3));
    await put('two', 1, periodsAgo(2));
    await put('two', 3, periodsAgo(1));
    await put('one', 1, periodsAgo(3));
    await put('one', 1, periodsAgo(2));
    await put('one', 3, periodsAgo(1));
    await Promise.all([alarm('two', twoOfThree), alarm('one', twoOfThree)]);
    await becomes('two', 'ALARM');
    await becomes('one', 'OK');
  });

  gapTest('treats missing data as told', async () => {
    await Promise.all([
      alarm('breaching', { TreatMissingData: 'breaching' }),
      alarm('notBreaching', { TreatMissingData: 'notBreaching' }),
      alarm('missing', { TreatMissingData: 'missing' }),
    ]);
    await becomes('breaching', 'ALARM');
    await becomes('notBreaching', 'OK');
    expect(await state('missing')).toBe('INSUFFICIENT_DATA');
  });

  gapTest(
    'stays as it is while data are missing and to be ignored, and ends with good data',
    async () => {
      await alarm('kept');
      await put('kept', 3, periodsAgo(2));
      await becomes('kept', 'ALARM');
      // Long enough for the data point to leave the range that is looked at.
      await new Promise((resolve) => setTimeout(resolve, 2.5 * period * 1000));
      expect(await state('kept')).toBe('ALARM');
      await put('kept', 1);
      await becomes('kept', 'OK');
    },
  );

  gapTest('watches an expression', async () => {
    const stat = (Id: string, MetricName: string) => ({
      Id,
      ReturnData: false,
      MetricStat: {
        Metric: { Namespace: 'Test', MetricName, Dimensions: [{ Name: 'Model', Value: 'math' }] },
        Period: period,
        Stat: 'Sum',
      },
    });
    await client().send(
      new PutMetricAlarmCommand({
        AlarmName: 'math',
        EvaluationPeriods: 1,
        Threshold: 10,
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        Metrics: [
          { Id: 'rate', Expression: 'IF(all > 0, 100 * errors / all, 0)', Label: 'error rate' },
          stat('errors', 'Errors'),
          stat('all', 'Invocations'),
        ],
      }),
    );
    const now = new Date();
    await put('math', 20, now, 'Invocations');
    await put('math', 2, now, 'Errors');
    await becomes('math', 'ALARM');
    const event = await message((body) => body.detail?.alarmName === 'math');
    expect(event.detail.configuration.metrics[0]).toEqual({
      id: 'rate',
      expression: 'IF(all > 0, 100 * errors / all, 0)',
      label: 'error rate',
      returnData: true,
    });
  });
});

gapTest('a composite alarm follows its children and tells EventBridge', async () => {
  await alarm('child');
  await alarm('calm', { TreatMissingData: 'notBreaching' });
  await client().send(
    new PutCompositeAlarmCommand({
      AlarmName: 'either',
      AlarmRule: 'ALARM("child") OR ALARM("calm")',
    }),
  );
  await put('child', 5);
  await becomes('either', 'ALARM');
  const event = await message(
    (body) => body.detail?.alarmName === 'either' && body.detail.state.value === 'ALARM',
  );
  expect(event.detail.configuration).toEqual({ alarmRule: 'ALARM("child") OR ALARM("calm")' });
});

it('an alarm of nobody’s metric tells nobody', async () => {
  await alarm('silent');
  expect(await state('silent')).toBe('INSUFFICIENT_DATA');
});

// The tables of "Configuring how CloudWatch alarms treat missing data" in the User Guide, newest data point last:
// X breaches, 0 does not, - is missing; how many of 3 have to breach; and the state for each way to treat missing data.
const tables = [
  [3, '0-X-X', 'OK OK OK OK'],
  [3, '----0', 'OK OK OK OK'],
  [3, '-----', 'INSUFFICIENT_DATA retained ALARM OK'],
  [3, '0XX-X', 'ALARM ALARM ALARM ALARM'],
  [3, '--X--', 'ALARM retained ALARM OK'],
  [2, '0-X-X', 'ALARM ALARM ALARM ALARM'],
  [2, '00X0X', 'ALARM ALARM ALARM ALARM'],
  [2, '0-X--', 'OK OK ALARM OK'],
  [2, '----0', 'OK OK ALARM OK'],
  [2, '---X-', 'ALARM retained ALARM OK'],
] as const;

it('decides about missing data as the tables of the User Guide say', () => {
  const local = join(import.meta.dirname, '../../../local');
  const script = `
import json, sys
sys.path.insert(0, ${JSON.stringify(local)})
from gaps.cloudwatch_alarms import state_after
def state(needed, points, treat):
    breaches = [{'X': True, '0': False, '-': None}[point] for point in points]
    return state_after(breaches, {'EvaluationPeriods': 3, 'DatapointsToAlarm': needed,
                                  'StateValue': 'retained', 'TreatMissingData': treat})
ways = ('missing', 'ignore', 'breaching', 'notBreaching')
print(json.dumps([[needed, points, ' '.join(state(needed, points, way) for way in ways)]
                  for needed, points, _ in json.loads(sys.argv[1])]))`;
  const python = join(local, '../.venv/local/bin/python');
  const printed = execFileSync(python, ['-Bc', script, JSON.stringify(tables)], {
    encoding: 'utf8',
  });
  expect(JSON.parse(printed.trim().split('\n').at(-1) ?? '')).toEqual(tables);
});
