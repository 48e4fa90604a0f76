import { readFileSync } from 'node:fs';
import type { Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { defineModel } from '../../core/model/define-model.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { environmentOnAws, synthesise } from './synthesis.ts';

const { state, flightDelay, churn, api } = synthesise('prod');
/** The stack of a model with some changes, in dev. */
function modelStack(changes: Parameters<typeof aModelDefinition>[0]): Template {
  const models = [defineModel(aModelDefinition(changes))];
  const app = slipwayApp(environmentOnAws('dev'), models, undefined);
  return Template.fromStack(app.node.findChild('Slipway-dev-Model-Churn') as Stack);
}

const alarmsOf = (template: Template): Record<string, unknown>[] =>
  Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(
    ({ Properties }) => Properties,
  );

describe('what a model imports', () => {
  const exportsFor = (monitoring: object): string[] => {
    const models = [defineModel(aModelDefinition({ monitoring }))];
    const app = slipwayApp(environmentOnAws('dev'), models, undefined);
    const template = Template.fromStack(app.node.findChild('Slipway-dev-State') as Stack);
    return Object.keys(template.findOutputs('*'));
  };

  it('is exported whether its channel in Slack comes or goes: an export in use cannot be removed', () => {
    const without = exportsFor({});
    expect(without.sort()).toEqual(exportsFor({ slackWebhookParameter: '/slack/churn' }).sort());
  });
});

describe('the function that tells Slack', () => {
  it('may wait as long as all attempts and the pauses that Slack asks for take', () => {
    const stack = modelStack({ monitoring: { slackWebhookParameter: '/slack/churn' } });
    stack.hasResourceProperties('AWS::Lambda::Function', {
      Environment: { Variables: { WEBHOOK_PARAMETER: '/slack/churn' } },
      Timeout: 60,
    });
  });
});

describe('what could not be handled', () => {
  const [queueId = ''] = Object.keys(state.findResources('AWS::SQS::Queue'));

  it('waits in one queue of the environment, and one alarm pages', () => {
    api.resourceCountIs('AWS::SQS::Queue', 0);
    for (const template of [flightDelay, churn]) {
      const queues = Object.values(template.findResources('AWS::SQS::Queue'));
      for (const { Properties } of queues) {
        expect(JSON.stringify(Properties.RedrivePolicy)).toContain(queueId);
        expect(Properties.RedrivePolicy.maxReceiveCount).toBe(3);
      }
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
    expect(named.length).toBeGreaterThan(8);
    for (const name of named) expect(headings).toContain(name);
    const addresses = headings.map((heading) => heading.replaceAll(/[<>]/g, ''));
    for (const alarm of [state, flightDelay, churn, api].flatMap(alarmsOf)) {
      const description = String(alarm['AlarmDescription']);
      expect(addresses).toContain(description.match(/docs\/runbook\.md#(\S+)$/)?.[1]);
    }
    // Where traffic is expected, one more.
    expect(headings).toContain('slipway-<env>-<model>-no-traffic');
  });
});

describe('a model', () => {
  const watched = modelStack({
    monitoring: { expectTrafficEveryHours: 6, owner: 'the churn team' },
  });
  const alarmOf = (name: string) =>
    alarmsOf(watched).find(({ AlarmName }) => AlarmName === `slipway-dev-churn-${name}`) ?? {};
  const news = ['features-drifted', 'predictions-drifted'];
  const pages = ['quality-dropped', 'latency-high', 'errors', 'no-traffic'];

  it('has at most six alarms; drift is news, and what its callers feel is paged', () => {
    expect(alarmsOf(flightDelay).length).toBeLessThanOrEqual(5);
    expect(alarmsOf(watched).length).toBeLessThanOrEqual(6);
    for (const [topic, names] of [
      ['News', news],
      ['Pages', pages],
    ] as const) {
      for (const name of names) {
        const { AlarmActions, OKActions } = alarmOf(name);
        expect(AlarmActions).toEqual([{ Ref: expect.stringMatching(`^Notifications${topic}`) }]);
        expect(OKActions).toEqual(AlarmActions);
      }
    }
  });

  it('is said to be whose it is', () => {
    expect(alarmOf('errors')['AlarmDescription']).toContain('Owner: the churn team.');
    // Every function that tells something says it at the end of each text.
    const environments = Object.values(watched.findResources('AWS::Lambda::Function')).map(
      ({ Properties }) => Properties.Environment?.Variables ?? {},
    );
    const telling = environments.filter((variables) => 'NEWS_TOPIC_ARN' in variables);
    expect(telling.length).toBeGreaterThanOrEqual(3);
    for (const { MODEL_OWNER } of telling) expect(MODEL_OWNER).toBe('the churn team');
  });

  it('pages for slow and failed answers in two of three periods, whatever is missing', () => {
    const twoOfThree = {
      Namespace: 'Slipway',
      Dimensions: [{ Name: 'Model', Value: 'churn' }],
      Period: 300,
      EvaluationPeriods: 3,
      DatapointsToAlarm: 2,
      TreatMissingData: 'ignore',
    };
    expect(alarmOf('latency-high')).toMatchObject({
      ...twoOfThree,
      MetricName: 'PredictionLatencyMs',
      ExtendedStatistic: 'p95',
      Threshold: 1_000,
      ComparisonOperator: 'GreaterThanThreshold',
    });
    expect(alarmOf('errors')).toMatchObject({
      ...twoOfThree,
      MetricName: 'PredictionErrors',
      Statistic: 'Sum',
      Threshold: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
    });
  });

  it('pages when nobody asks any more, where traffic is expected, by what its function misses', () => {
    const alarm = alarmOf('no-traffic');
    expect(alarm).toMatchObject({
      Namespace: 'AWS/Lambda',
      MetricName: 'Invocations',
      Dimensions: [
        { Name: 'FunctionName', Value: { Ref: expect.stringMatching('^EndpointPredict') } },
      ],
      Period: 3_600,
      EvaluationPeriods: 6,
      TreatMissingData: 'missing',
    });
    expect(alarm['InsufficientDataActions']).toEqual(alarm['AlarmActions']);
    expect(alarmsOf(churn).map(({ MetricName }) => MetricName)).not.toContain('Invocations');
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

  it('is looked for with the rights to read the log, the labels and the profile, and to write reports and the version’s health', () => {
    const policies = Object.entries(flightDelay.findResources('AWS::IAM::Policy'));
    const [, policy] = policies.find(([id]) => /^DriftCheckDriftRole/.test(id)) ?? [];
    const statements: { Action: string | string[] }[] =
      policy?.['Properties'].PolicyDocument.Statement;
    const actions = statements.flatMap(({ Action }) => Action);
    expect(actions).toContain('s3:PutObject');
    expect(actions).not.toContain('s3:DeleteObject');
    expect(actions).not.toContain('dynamodb:DeleteItem');
    const text = JSON.stringify(statements);
    expect(text).toContain('reports/flight-delay/drift/*');
    expect(text).toContain('predictions/flight-delay/*');
    expect(text).toContain('labelled/flight-delay/*');
  });
});

describe('labels of a model', () => {
  const policies = Object.entries(flightDelay.findResources('AWS::IAM::Policy'));
  const [, policy] = policies.find(([id]) => id.startsWith('LabelsJoinLabelsRole')) ?? [];
  const statements: { Action: string | string[]; Resource: unknown }[] =
    policy?.['Properties'].PolicyDocument.Statement;

  it('are gathered as long as the prediction log is, and tried again with every drift check', () => {
    flightDelay.hasResourceProperties('AWS::Lambda::EventSourceMapping', {
      EventSourceArn: { 'Fn::GetAtt': [Match.stringLikeRegexp('LabelsArrived'), 'Arn'] },
      BatchSize: 1_000,
      MaximumBatchingWindowInSeconds: 300,
    });
    const target = [
      Match.objectLike({
        Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('LabelsArrived'), 'Arn'] },
        DeadLetterConfig: Match.anyValue(),
      }),
    ];
    flightDelay.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: Match.objectLike({
        detail: Match.objectLike({ object: { key: [{ prefix: 'labels/flight-delay/' }] } }),
      }),
      Targets: target,
    });
    flightDelay.hasResourceProperties('AWS::Events::Rule', {
      ScheduleExpression: 'rate(1 hour)',
      Targets: target,
    });
  });

  it('are joined with no right on what people drop', () => {
    const deletes = statements.filter(({ Action }) => [Action].flat().includes('s3:DeleteObject'));
    expect(deletes).toHaveLength(1);
    expect(JSON.stringify(deletes)).toContain('landing/flight-delay/labelled/*');
    for (const { Action, Resource } of statements) {
      if (!JSON.stringify(Resource).includes('landing/')) continue;
      expect([Action].flat()).not.toContain('s3:GetObject');
      expect(JSON.stringify(Resource)).not.toContain('landing/flight-delay/*');
    }
  });
});
