// What an environment costs while nobody uses it, from its templates.

import { CacheMetrics } from '../core/inference/cache/cache-usage.ts';
import { usdPerContainerGbSecond } from '../core/inference/measurement.ts';
import { capacityItems } from './capacity-price.ts';
import type { PricedItem, PricedTemplate, TemplateResource } from './list-prices.ts';
import { usd } from './list-prices.ts';

export interface IdlePrice {
  readonly items: readonly PricedItem[];
  readonly usdPerMonth: number;
  /** Types of resources that have no price here, with the stacks that they are in. */
  readonly unknown: readonly string[];
}

/** How many metrics a model has in the namespace Slipway; each is paid once a version is live. */
export const metricsPerModel = 8;

const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);
const number = (value: unknown, otherwise: number): number =>
  value === undefined ? otherwise : Number(value);

type Properties = Readonly<Record<string, unknown>>;
interface Price {
  readonly what: string;
  /** How many of what is paid. @default 1 */
  count?(properties: Properties): number;
  readonly each: number | ((properties: Properties) => number);
}

/** An alarm is paid by metric, and one with metric math has several. */
const metricsOfAlarm = ({ Metrics }: Properties): number =>
  Metrics === undefined
    ? 1
    : list(Metrics).filter((metric) => (metric as Properties)['MetricStat'] !== undefined).length;

const periodOf = ({ Period, Metrics }: Properties): number =>
  number(
    Period ??
      list(Metrics)
        .map((metric) => (metric as { MetricStat?: { Period?: number } }).MetricStat?.Period)
        .find((period) => period !== undefined),
    60,
  );

const alwaysOn: Readonly<Record<string, Price>> = {
  'AWS::CloudWatch::Alarm': {
    what: 'metrics under an alarm',
    count: metricsOfAlarm,
    each: (properties) =>
      periodOf(properties) < 60 ? usd.highResolutionAlarmMetric : usd.alarmMetric,
  },
  'AWS::CloudWatch::CompositeAlarm': { what: 'composite alarms', each: 0.5 },
  'AWS::CloudWatch::Dashboard': { what: 'dashboards', each: usd.dashboard },
  'AWS::KMS::Key': { what: 'encryption keys', each: usd.key },
  'AWS::ElastiCache::ServerlessCache': {
    what: 'caches, at their minimum of 100 MB',
    each: usd.valkeyMinimum,
  },
  'AWS::EC2::VPCEndpoint': {
    what: 'interface endpoints, by availability zone',
    count: ({ VpcEndpointType, SubnetIds }) =>
      VpcEndpointType === 'Interface' ? list(SubnetIds).length : 0,
    each: usd.interfaceEndpointPerZone,
  },
  'AWS::Kinesis::Stream': {
    what: 'shards of streams',
    count: ({ ShardCount }) => number(ShardCount, 1),
    each: usd.shard,
  },
  'AWS::EC2::NatGateway': { what: 'NAT gateways', each: usd.natGateway },
  'AWS::EC2::EIP': { what: 'public addresses', each: usd.publicAddress },
  'AWS::ElasticLoadBalancingV2::LoadBalancer': { what: 'load balancers', each: usd.loadBalancer },
  'AWS::WAFv2::WebACL': {
    what: 'web ACLs with their rules',
    each: ({ Rules }) => usd.webAcl + list(Rules).length * usd.webAclRule,
  },
  'AWS::SecretsManager::Secret': { what: 'secrets', each: usd.secret },
};

/** Paid by what is asked, moved, written or stored; at rest, nothing worth a line. */
const paidByUse = new Set(
  `
  AWS::ApiGateway::Account AWS::ApiGateway::ApiKey AWS::ApiGateway::Authorizer AWS::ApiGateway::Deployment
  AWS::ApiGateway::GatewayResponse AWS::ApiGateway::Method AWS::ApiGateway::Model
  AWS::ApiGateway::RequestValidator AWS::ApiGateway::Resource AWS::ApiGateway::RestApi
  AWS::ApiGateway::Stage AWS::ApiGateway::UsagePlan AWS::ApiGateway::UsagePlanKey AWS::ApiGateway::VpcLink
  AWS::ApiGatewayV2::VpcLink
  AWS::ApplicationAutoScaling::ScalableTarget AWS::ApplicationAutoScaling::ScalingPolicy
  AWS::CDK::Metadata AWS::CloudFormation::CustomResource
  AWS::DynamoDB::GlobalTable AWS::DynamoDB::Table
  AWS::EC2::FlowLog AWS::EC2::InternetGateway AWS::EC2::Route AWS::EC2::RouteTable AWS::EC2::SecurityGroup
  AWS::EC2::SecurityGroupEgress AWS::EC2::SecurityGroupIngress AWS::EC2::Subnet
  AWS::EC2::SubnetRouteTableAssociation AWS::EC2::VPC AWS::EC2::VPCGatewayAttachment
  AWS::ECS::Cluster AWS::ECS::Service AWS::ECS::TaskDefinition
  AWS::ElastiCache::User AWS::ElastiCache::UserGroup
  AWS::ElasticLoadBalancingV2::Listener AWS::ElasticLoadBalancingV2::ListenerRule
  AWS::ElasticLoadBalancingV2::TargetGroup
  AWS::Events::Rule AWS::Scheduler::Schedule AWS::Scheduler::ScheduleGroup
  AWS::IAM::ManagedPolicy AWS::IAM::Policy AWS::IAM::Role
  AWS::KMS::Alias AWS::KinesisFirehose::DeliveryStream
  AWS::Lambda::EventInvokeConfig AWS::Lambda::EventSourceMapping AWS::Lambda::Function
  AWS::Lambda::LayerVersion AWS::Lambda::Permission AWS::Lambda::Version AWS::Lambda::Alias
  AWS::Logs::LogGroup AWS::Logs::LogStream AWS::Logs::MetricFilter
  AWS::S3::Bucket AWS::S3::BucketPolicy
  AWS::SNS::Subscription AWS::SNS::Topic AWS::SNS::TopicPolicy AWS::SNS::TopicInlinePolicy
  AWS::SQS::Queue AWS::SQS::QueuePolicy AWS::SSM::Parameter
  AWS::StepFunctions::StateMachine
  AWS::WAFv2::WebACLAssociation
  `
    .trim()
    .split(/\s+/),
);

/** What is priced only on these terms; else it would run up another bill at rest. */
const terms: Readonly<Record<string, (properties: Properties) => boolean>> = {
  'AWS::DynamoDB::GlobalTable': ({ BillingMode }) => BillingMode === 'PAY_PER_REQUEST',
  'AWS::DynamoDB::Table': ({ BillingMode }) => BillingMode === 'PAY_PER_REQUEST',
  'AWS::ApiGateway::Stage': ({ CacheClusterEnabled }) => CacheClusterEnabled !== true,
  // One with a provisioned concurrency is paid by the hour.
  'AWS::Lambda::Version': (properties) => !('ProvisionedConcurrencyConfig' in properties),
  'AWS::Lambda::Alias': (properties) => !('ProvisionedConcurrencyConfig' in properties),
  'AWS::Kinesis::Stream': ({ StreamModeDetails }) =>
    (StreamModeDetails as Properties | undefined)?.['StreamMode'] !== 'ON_DEMAND',
  // Its tasks are priced where it is said how many there are at least.
  'AWS::ECS::Service': (properties) => !('DesiredCount' in properties),
  'AWS::SSM::Parameter': ({ Tier }) => Tier !== 'Advanced',
};

const priceless = (stack: string, type: string): string =>
  `${type} in ${stack} has no price; add it to cli/idle-price.ts, with what it costs while nobody uses it`;

/** Undefined where a resource costs nothing at rest. */
function itemOf(
  stack: string,
  { Type, Properties = {} }: TemplateResource,
): PricedItem | undefined {
  const price = alwaysOn[Type];
  const count = price?.count?.(Properties) ?? 1;
  if (!price || count === 0) return undefined;
  const each = typeof price.each === 'number' ? price.each : price.each(Properties);
  return { stack, what: price.what, count, usdPerMonth: count * each };
}

const hasPrice = ({ Type, Properties = {} }: TemplateResource): boolean =>
  (Type in alwaysOn || paidByUse.has(Type)) && terms[Type]?.(Properties) !== false;

/** A model's container is paid by the millisecond, and not at all at rest: said, because one might fear otherwise. */
function containerItem(stack: string, { Properties = {} }: TemplateResource): PricedItem[] {
  const { Environment } = Properties as { Environment?: { Variables?: Record<string, unknown> } };
  const memoryMb = Number(Environment?.Variables?.['SERVING_MEMORY_MB']);
  if (!memoryMb) return [];
  const usd = 1_000 * 0.1 * (memoryMb / 1_024) * usdPerContainerGbSecond;
  const what = `serverless container, asleep (1,000 predictions of 100 ms: $${usd.toFixed(4)})`;
  return [{ stack, what, count: 1, usdPerMonth: 0 }];
}

function priceStack(stack: string, template: PricedTemplate) {
  const resources = Object.values(template.Resources ?? {});
  const single = resources.flatMap((resource) => itemOf(stack, resource) ?? []);
  const items = [...Map.groupBy(single, ({ what }) => what)].map(([what, same]) => ({
    stack,
    what,
    count: same.reduce((sum, { count }) => sum + count, 0),
    usdPerMonth: same.reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0),
  }));
  items.push(...resources.flatMap((resource) => containerItem(stack, resource)));
  items.push(...capacityItems(stack, template.Resources ?? {}));
  const unknown = resources
    .filter((resource) => !hasPrice(resource))
    .map(({ Type }) => priceless(stack, Type));
  return { items, unknown: [...new Set(unknown)] };
}

/** Those that have data points whenever somebody asks. */
const cacheMetrics = [CacheMetrics.hits, CacheMetrics.misses, CacheMetrics.savedUsd];

/** Only the settings of a cache say what a millisecond of its endpoint costs. */
const hasCache = ({ Resources = {} }: PricedTemplate): boolean =>
  JSON.stringify(Resources).includes('usdPerMs');

/**
 * Prices every resource that is always on.
 * @param templates stack → its template; a model's stack is called Slipway-<environment>-Model-<Name>
 */
export function idlePrice(templates: ReadonlyMap<string, PricedTemplate>): IdlePrice {
  const priced = [...templates].map(([stack, template]) => {
    const { items, unknown } = priceStack(stack, template);
    const count = metricsPerModel + (hasCache(template) ? cacheMetrics.length : 0);
    const what = 'metrics, once a version is live';
    const metrics = { stack, what, count, usdPerMonth: count * usd.customMetric };
    return { items: stack.includes('-Model-') ? [...items, metrics] : items, unknown };
  });
  const items = priced.flatMap((stack) => stack.items);
  return {
    items,
    usdPerMonth: items.reduce((sum, { usdPerMonth }) => sum + usdPerMonth, 0),
    unknown: priced.flatMap(({ unknown }) => unknown),
  };
}

const dollars = (amount: number): string => `$${amount.toFixed(2)}`;

/** The price as rows of a table, the heading first. */
export const idlePriceRows = ({ items, usdPerMonth }: IdlePrice): string[][] => [
  ['stack', 'what', 'count', 'a month'],
  ...items.map(({ stack, what, count, usdPerMonth: price }) => [
    stack,
    what,
    String(count),
    dollars(price),
  ]),
  ['in all', '', '', dollars(usdPerMonth)],
];
