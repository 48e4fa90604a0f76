import { readFileSync } from 'node:fs';
import { Match, type Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { synthesise } from './synthesis.ts';

const { state, flightDelay, churn, api } = synthesise('prod');
const alarmsOf = (template: Template): Record<string, unknown>[] =>
  Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(
    ({ Properties }) => Properties,
  );

describe('alarms', () => {
  it('watch the dead-letter queue of each model and tell its owners', () => {
    for (const template of [flightDelay, churn]) {
      const queue = Object.keys(template.findResources('AWS::SQS::Queue')).find((id) =>
        id.startsWith('RunControl'),
      );
      const alarm = alarmsOf(template).find(({ AlarmName }) =>
        String(AlarmName).endsWith('-dead-letters'),
      );
      expect(alarm).toMatchObject({
        Namespace: 'AWS/SQS',
        MetricName: 'ApproximateNumberOfMessagesVisible',
        Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [queue, 'QueueName'] } }],
        ComparisonOperator: 'GreaterThanThreshold',
        Threshold: 0,
        TreatMissingData: 'notBreaching',
      });
      expect(JSON.stringify(alarm?.['AlarmActions'])).toContain('Notifications');
    }
  });

  it('each have their heading in the runbook', () => {
    const headings = readFileSync('docs/runbook.md', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('## '))
      .map((line) => line.slice('## '.length).replaceAll('`', ''));
    const named = [state, flightDelay, churn, api].flatMap(alarmsOf).map((alarm) =>
      String(alarm['AlarmName'])
        .replace('-prod-', '-<env>-')
        .replace(/-(flight-delay|churn)-/, '-<model>-'),
    );
    expect(named).toHaveLength(8);
    for (const name of named) expect(headings).toContain(name);
  });
});

describe('the notification topic', () => {
  const ofThisAccount = { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } };

  it("lets this account's alarms and rules publish, and nobody else's", () => {
    state.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Effect: 'Allow',
            Principal: { Service: ['cloudwatch.amazonaws.com', 'events.amazonaws.com'] },
            Action: 'sns:Publish',
            Condition: ofThisAccount,
          }),
        ]),
      },
    });
  });

  it('has a key that both may encrypt with', () => {
    const use = { Effect: 'Allow', Action: ['kms:Decrypt', 'kms:GenerateDataKey*'] };
    state.hasResourceProperties('AWS::KMS::Key', {
      KeyPolicy: {
        Statement: Match.arrayWith([
          Match.objectLike({
            ...use,
            Principal: { Service: 'cloudwatch.amazonaws.com' },
            Condition: ofThisAccount,
          }),
          // EventBridge gives a key no source to compare.
          Match.objectLike({
            ...use,
            Principal: { Service: 'events.amazonaws.com' },
            Condition: Match.absent(),
          }),
        ]),
      },
    });
  });
});

describe('the prediction log', () => {
  it('says why a delivery failed, and may', () => {
    const [group] = Object.keys(flightDelay.findResources('AWS::Logs::LogGroup', {})).filter((id) =>
      id.includes('PredictionLogFailures'),
    );
    flightDelay.hasResourceProperties('AWS::KinesisFirehose::DeliveryStream', {
      ExtendedS3DestinationConfiguration: {
        CloudWatchLoggingOptions: {
          Enabled: true,
          LogGroupName: { Ref: group },
          LogStreamName: { Ref: Match.stringLikeRegexp('PredictionLogDelivery') },
        },
      },
    });
    flightDelay.hasResourceProperties('AWS::IAM::Policy', {
      Roles: [{ Ref: Match.stringLikeRegexp('PredictionLogRole') }],
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Action: 'logs:PutLogEvents',
            Resource: { 'Fn::GetAtt': [group, 'Arn'] },
          }),
        ]),
      },
    });
  });
});

describe('drift of a model', () => {
  it('is checked every hour, and a check that fails is kept', () => {
    flightDelay.hasResourceProperties('AWS::Events::Rule', {
      ScheduleExpression: 'rate(1 hour)',
      Targets: [
        {
          InputTransformer: { InputPathsMap: { time: '$.time' }, InputTemplate: '{"time":<time>}' },
          DeadLetterConfig: Match.anyValue(),
        },
      ],
    });
  });

  it('alarms on two of three checks of its own model, whatever is missing', () => {
    for (const [template, model] of [
      [flightDelay, 'flight-delay'],
      [churn, 'churn'],
    ] as const) {
      template.hasResourceProperties('AWS::CloudWatch::Alarm', {
        Namespace: 'Slipway',
        MetricName: 'DriftedFeatures',
        Dimensions: [{ Name: 'Model', Value: model }],
        Statistic: 'Maximum',
        Period: 3_600,
        EvaluationPeriods: 3,
        DatapointsToAlarm: 2,
        Threshold: 1,
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        TreatMissingData: 'ignore',
      });
    }
  });

  it('has at most eight metrics and six alarms of a model, and each alarm tells somebody', () => {
    const alarms = alarmsOf(flightDelay);
    expect(alarms.length).toBeLessThanOrEqual(6);
    for (const alarm of alarms) expect(alarm['AlarmActions']).toHaveLength(1);
  });

  it('is looked for with the rights to read the log and the profile, and to write its reports', () => {
    const policies = Object.entries(flightDelay.findResources('AWS::IAM::Policy'));
    const [, policy] = policies.find(([id]) => /^DriftCheckDriftRole/.test(id)) ?? [];
    const statements: { Action: string | string[] }[] =
      policy?.['Properties'].PolicyDocument.Statement;
    const actions = statements.flatMap(({ Action }) => Action);
    expect(actions).toContain('s3:PutObject');
    expect(actions).not.toContain('s3:DeleteObject');
    expect(actions).not.toContain('dynamodb:PutItem');
    const text = JSON.stringify(statements);
    expect(text).toContain('reports/flight-delay/drift/*');
    expect(text).toContain('predictions/flight-delay/*');
  });
});
