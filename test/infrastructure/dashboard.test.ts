import type { Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { defineModel } from '../../core/model/define-model.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import flightDelay from '../../models/flight-delay/model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { environmentOnAws, synthesise } from './synthesis.ts';

const { monitoring } = synthesise('prod');

/** A template's text, each reference to another resource replaced by its logical name. */
function textOf(value: unknown): string {
  if (typeof value === 'string') return value;
  const { 'Fn::Join': join, Ref, 'Fn::GetAtt': attribute } = value as Record<string, never>;
  if (join) return (join[1] as unknown[]).map(textOf).join(join[0]);
  return String(Ref ?? (attribute as string[] | undefined)?.[0] ?? 'reference');
}

interface Widget {
  readonly type: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  // biome-ignore lint/suspicious/noExplicitAny: CloudWatch's own format
  readonly properties: any;
}

function bodyOf(template: Template): { widgets: Widget[]; variables: Record<string, unknown>[] } {
  const [dashboard] = Object.values(template.findResources('AWS::CloudWatch::Dashboard'));
  return JSON.parse(textOf(dashboard?.['Properties'].DashboardBody));
}

/** Namespace and name of every metric; `.` repeats what stands above. */
function metricsOf(widgets: readonly Widget[]): string[] {
  return widgets.flatMap(({ properties }) => {
    let above: unknown[] = [];
    return (properties.metrics ?? []).map((line: unknown[]) => {
      above = line.map((part, at) => (part === '.' ? above[at] : part));
      return `${above[0]} ${above[1]}`;
    });
  });
}

const known = new Set([
  'Slipway WorstFeaturePsi',
  'Slipway DriftedFeatures',
  'Slipway PredictionPsi',
  'Slipway QualityDrop',
  'Slipway PredictionLatencyMs',
  'Slipway PredictionErrors',
  'Slipway PredictionLogDropped',
  'Slipway LabelCoverage',
  'Slipway MonthToDateCostUsd',
  'AWS/States ExecutionsStarted',
  'AWS/States ExecutionsSucceeded',
  'AWS/States ExecutionsFailed',
  'AWS/States ExecutionsTimedOut',
  'AWS/States ExecutionsAborted',
  'AWS/SQS ApproximateNumberOfMessagesVisible',
]);

describe('the dashboard', () => {
  const { widgets, variables } = bodyOf(monitoring);

  it('is one for the environment, with a choice among its models', () => {
    monitoring.resourceCountIs('AWS::CloudWatch::Dashboard', 1);
    expect(variables).toEqual([
      expect.objectContaining({
        type: 'pattern',
        pattern: '__model__',
        inputType: 'select',
        defaultValue: 'flight-delay',
        values: ['flight-delay', 'churn'].map((name) => ({ label: name, value: name })),
      }),
    ]);
  });

  it('names only metrics that somebody emits: at most eight of a model, and each of them', () => {
    const named = new Set(metricsOf(widgets));
    expect([...named].filter((metric) => !known.has(metric))).toEqual([]);
    // Of what was lost there are data points, and a price, only where something was.
    expect(named).toContain('Slipway PredictionLogDropped');
    const paid = [...named].filter((metric) => metric !== 'Slipway PredictionLogDropped');
    expect(paid.filter((metric) => metric.startsWith('Slipway '))).toHaveLength(8);
  });

  it('fits: no widget is wider than the page, and none lies upon another', () => {
    const taken = new Set<string>();
    for (const { x, y, width, height } of widgets) {
      expect(x + width).toBeLessThanOrEqual(24);
      for (let column = x; column < x + width; column += 1) {
        for (let row = y; row < y + height; row += 1) {
          expect(taken.has(`${column} ${row}`)).toBe(false);
          taken.add(`${column} ${row}`);
        }
      }
    }
    expect(widgets.length).toBeGreaterThanOrEqual(10);
  });

  it('shows the alarms that there are, of the chosen model and of the environment', () => {
    const alarms = widgets.find(({ type }) => type === 'alarm')?.properties.alarms as string[];
    const names = alarms.map((arn) => arn.replace(/^.*:alarm:/, ''));
    const ofTemplates = [synthesise('prod').flightDelay, synthesise('prod').state].flatMap(
      (template) =>
        Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(
          ({ Properties }) => Properties.AlarmName as string,
        ),
    );
    expect(names.map((name) => name.replace('__model__', 'flight-delay')).sort()).toEqual(
      ofTemplates.sort(),
    );
  });

  it('shows what the cache does where a model has one', () => {
    expect(widgets.map(({ properties }) => properties.title)).not.toContain('Cache');
    const cached = defineModel(aModelDefinition({ serving: { target: 'lambda', cache: {} } }));
    const app = slipwayApp(environmentOnAws('dev'), [flightDelay, cached], undefined);
    const stack = Template.fromStack(app.node.findChild('Slipway-dev-Monitoring') as Stack);
    const added = metricsOf(bodyOf(stack).widgets).filter((metric) => !known.has(metric));
    expect(added).toEqual([
      'Slipway CacheHits',
      'Slipway CacheMisses',
      'Slipway CacheLeftOut',
      'Slipway CacheSavedUsd',
    ]);
  });

  it("draws a line at each model's own limit", () => {
    const models = [
      flightDelay,
      defineModel(aModelDefinition({ monitoring: { psiThreshold: 0.3 } })),
    ];
    const app = slipwayApp(environmentOnAws('dev'), models, undefined);
    const stack = Template.fromStack(app.node.findChild('Slipway-dev-Monitoring') as Stack);
    const drift = bodyOf(stack).widgets.find(({ properties }) => properties.title === 'Drift');
    expect(drift?.properties.annotations.horizontal).toEqual([
      expect.objectContaining({ value: 0.2, label: 'drift: flight-delay' }),
      expect.objectContaining({ value: 0.3, label: 'drift: churn' }),
    ]);
  });

  it('shows the newest report by a function that may read reports and nothing else', () => {
    const custom = widgets.find(({ type }) => type === 'custom')?.properties;
    expect(custom).toMatchObject({ params: { model: '__model__' } });
    expect(custom.endpoint).toMatch(/^DashboardShowReport/);
    const [, policy] = Object.entries(monitoring.findResources('AWS::IAM::Policy')).find(([id]) =>
      id.startsWith('DashboardShowReport'),
    ) ?? ['', {}];
    const statements: { Action: string | string[]; Resource: unknown }[] =
      policy['Properties'].PolicyDocument.Statement;
    const actions = new Set(statements.flatMap(({ Action }) => Action));
    expect([...actions].sort()).toEqual([
      'logs:CreateLogStream',
      'logs:PutLogEvents',
      's3:GetObject',
      's3:GetObjectVersion',
      's3:ListBucket',
      's3:ListBucketVersions',
    ]);
    const text = JSON.stringify(statements);
    for (const name of ['flight-delay', 'churn']) {
      expect(text).toContain(`/reports/${name}/drift/*`);
      expect(text).toContain(`/reports/${name}/gate/*`);
    }
    expect(text).not.toContain('/landing/');
  });
});

describe('who is told', () => {
  const stacks = (...changes: Parameters<typeof aModelDefinition>[0][]) => {
    const models = changes.map((change) => defineModel(aModelDefinition(change)));
    const app = slipwayApp(environmentOnAws('dev'), models, undefined);
    const template = (name: string) =>
      Template.fromStack(app.node.findChild(`Slipway-dev-${name}`) as Stack);
    return { state: template('State'), one: template('Model-One'), two: template('Model-Two') };
  };
  const email = 'team@example.com';
  const slackWebhookParameter = '/slack/team';
  const { state, one, two } = stacks(
    { name: 'one', monitoring: { email, slackWebhookParameter, owner: 'the team' } },
    { name: 'two', monitoring: { email, slackWebhookParameter } },
  );
  const subscriptions = (template: Template, Protocol: string) =>
    Object.values(template.findResources('AWS::SNS::Subscription', { Properties: { Protocol } }));

  it('by e-mail: news and pages of each model, and once what concerns no one model', () => {
    expect(subscriptions(state, 'email').map(({ Properties }) => Properties.Endpoint)).toEqual([
      email,
    ]);
    for (const model of [one, two]) expect(subscriptions(model, 'email')).toHaveLength(2);
  });

  it('in Slack: the same, and a message that cannot be passed on waits with the dead letters', () => {
    expect(subscriptions(one, 'lambda')).toHaveLength(3);
    expect(subscriptions(two, 'lambda')).toHaveLength(2);
    for (const { Properties } of [
      ...subscriptions(one, 'lambda'),
      ...subscriptions(two, 'lambda'),
    ]) {
      expect(JSON.stringify(Properties.RedrivePolicy)).toContain('DeadLetters');
    }
    one.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
      FunctionName: { Ref: Match.stringLikeRegexp('^SlackNotifySlack') },
      DestinationConfig: { OnFailure: Match.anyValue() },
    });
  });

  it('in Slack by a function that may read one parameter, whatever its key', () => {
    const [, policy] = Object.entries(one.findResources('AWS::IAM::Policy')).find(([id]) =>
      id.startsWith('SlackNotifySlack'),
    ) ?? ['', {}];
    const statements: Record<string, unknown>[] = policy['Properties'].PolicyDocument.Statement;
    const read = statements.find(({ Action }) => Action === 'ssm:GetParameter');
    expect(textOf(read?.['Resource'])).toMatch(/:parameter\/slack\/team$/);
    const decrypt = statements.find(({ Action }) => Action === 'kms:Decrypt');
    const { StringEquals: equals } = (decrypt?.['Condition'] ?? {}) as Record<
      string,
      Record<string, unknown>
    >;
    expect(textOf(equals?.['kms:EncryptionContext:PARAMETER_ARN'])).toMatch(/\/slack\/team$/);
    expect(equals?.['kms:ViaService']).toBe('ssm.eu-west-1.amazonaws.com');
  });

  it('never with a webhook in the template', () => {
    expect(JSON.stringify(one.toJSON())).not.toContain('hooks.slack.com');
  });
});
