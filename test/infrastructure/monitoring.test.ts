import { readFileSync } from 'node:fs';
import { Match, type Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { synthesise } from './synthesis.ts';

const { state, flightDelay, churn, api } = synthesise('prod');
const alarmsOf = (template: Template): Record<string, unknown>[] =>
  Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(
    ({ Properties }) => Properties,
  );

describe('what could not be handled', () => {
  const [queueId = ''] = Object.keys(state.findResources('AWS::SQS::Queue'));

  it('waits in one queue of the environment, and one alarm pages', () => {
    for (const template of [flightDelay, churn, api]) {
      template.resourceCountIs('AWS::SQS::Queue', 0);
    }
    state.resourceCountIs('AWS::SQS::Queue', 1);
    const [alarm, ...others] = alarmsOf(state);
    expect(others).toEqual([]);
    expect(alarm).toMatchObject({
      AlarmName: 'slipway-prod-dead-letters',
      Namespace: 'AWS/SQS',
      MetricName: 'ApproximateNumberOfMessagesVisible',
      Dimensions: [{ Name: 'QueueName', Value: { 'Fn::GetAtt': [queueId, 'QueueName'] } }],
      ComparisonOperator: 'GreaterThanThreshold',
      Threshold: 0,
      TreatMissingData: 'notBreaching',
    });
    for (const actions of ['AlarmActions', 'OKActions']) {
      expect(JSON.stringify(alarm?.[actions])).toContain('Pages');
    }
  });

  it('comes from the rules and topics of this environment, and from roles that name the queue', () => {
    const [policy] = Object.values(state.findResources('AWS::SQS::QueuePolicy'));
    const allowed = policy?.['Properties'].PolicyDocument.Statement.filter(
      ({ Effect }: { Effect: string }) => Effect === 'Allow',
    );
    const sources = allowed.map(
      ({
        Principal,
        Action,
        Condition,
      }: Record<string, Record<string, Record<string, unknown>>>) => [
        Principal?.['Service'],
        Action,
        JSON.stringify(Condition?.['ArnLike']?.['aws:SourceArn']),
      ],
    );
    expect(sources).toEqual([
      ['events.amazonaws.com', 'sqs:SendMessage', expect.stringContaining(':rule/Slipway-prod-*')],
      ['sns.amazonaws.com', 'sqs:SendMessage', expect.stringContaining(':Slipway-prod-*')],
    ]);
  });

  it('is left there by every asynchronous edge', () => {
    const isTheQueue = (arn: unknown) => expect(JSON.stringify(arn)).toContain(queueId);
    for (const template of [flightDelay, churn]) {
      const configured = Object.values(template.findResources('AWS::Lambda::EventInvokeConfig'));
      expect(configured.length).toBeGreaterThanOrEqual(3);
      for (const { Properties } of configured) {
        isTheQueue(Properties.DestinationConfig.OnFailure.Destination);
      }
      for (const { Properties } of Object.values(template.findResources('AWS::Events::Rule'))) {
        for (const target of Properties.Targets) isTheQueue(target.DeadLetterConfig.Arn);
      }
    }
  });
});

describe('alarms', () => {
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
    expect(named).toHaveLength(5);
    for (const name of named) expect(headings).toContain(name);
  });
});

describe('the topics', () => {
  const ofThisAccount = { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } };
  const publishers = {
    Effect: 'Allow',
    Principal: { Service: ['cloudwatch.amazonaws.com', 'events.amazonaws.com'] },
    Action: 'sns:Publish',
    Condition: ofThisAccount,
  };

  it('are two a model and one for the environment, encrypted with the customer key', () => {
    const keys = (template: Template) =>
      Object.values(template.findResources('AWS::SNS::Topic')).map(({ Properties }) =>
        JSON.stringify(Properties.KmsMasterKeyId),
      );
    expect(keys(state)).toEqual([expect.stringContaining('NotificationsKey')]);
    for (const model of [flightDelay, churn]) {
      expect(keys(model)).toEqual([
        expect.stringContaining('NotificationsKey'),
        expect.stringContaining('NotificationsKey'),
      ]);
    }
  });

  it("let this account's alarms and rules publish, and nobody else's", () => {
    for (const template of [state, flightDelay, churn]) {
      const policies = Object.values(template.findResources('AWS::SNS::TopicPolicy'));
      expect(policies).toHaveLength(template === state ? 1 : 2);
      for (const { Properties } of policies) {
        const { Statement } = Properties.PolicyDocument;
        expect(Statement).toContainEqual(expect.objectContaining(publishers));
        const others = Statement.filter(
          ({ Effect, Sid }: { Effect: string; Sid: string }) =>
            Effect === 'Allow' && Sid !== 'AlarmsAndRulesPublish',
        );
        expect(others).toEqual([]);
      }
    }
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
