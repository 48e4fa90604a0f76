import { globSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type IdlePrice, idlePrice, idlePriceRows, metricsPerModel } from '../../cli/idle-price.ts';
import type { PricedTemplate } from '../../cli/list-prices.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { environmentNames, models, stacksOf } from './every-environment.ts';

const priceOf = (environment: (typeof environmentNames)[number]) =>
  idlePrice(new Map(stacksOf(environment).map((stack) => [stack.name, stack])));

function without({ items, unknown }: IdlePrice, named: string): IdlePrice {
  const others = items.filter(({ what }) => !what.startsWith(named));
  const usdPerMonth = others.reduce((sum, item) => sum + item.usdPerMonth, 0);
  return { items: others, usdPerMonth, unknown };
}

/** It is the environment's choice, whatever its models are. */
const withoutWebAcl = (price: IdlePrice): IdlePrice => without(price, 'web ACL');

/** US dollars a month at rest. */
function limitOf(serving: ModelDefinition['serving']): number {
  // Two streams of one shard each, which are there for nobody who did not ask for them.
  const streams = serving.streaming ? 22 : 0;
  if (serving.target === 'ecs') return 120 + streams;
  if (serving.cache) return 25 + streams;
  const isWarm = serving.target === 'lambda' && serving.provisionedConcurrency !== undefined;
  // An environment of 512 MB that is warm all month.
  return 8 + (isWarm ? 5.48 : 0) + streams;
}

const one = (Type: string, Properties: object = {}): ReadonlyMap<string, PricedTemplate> =>
  new Map([['Slipway-dev-State', { Resources: { One: { Type, Properties: { ...Properties } } } }]]);

describe.each(environmentNames)('the price of doing nothing in %s', (environment) => {
  const price = priceOf(environment);

  it('is known of every resource', () => {
    expect(price.unknown).toEqual([]);
  });

  it('of the web ACL is at most $7 a month, and nothing where there is none', () => {
    const of = (price.usdPerMonth - withoutWebAcl(price).usdPerMonth).toFixed(2);
    expect(of).toBe(environment === 'prod' ? '7.00' : '0.00');
  });

  it('is at most $8 a month for one model on Lambda, all that it shares included but the web ACL, and more where it asks for it', () => {
    for (const model of models) {
      const network = model.serving.target === 'ecs' || model.serving.cache !== undefined;
      const own = stacksOf(environment).filter(({ name, Resources }) => {
        if (!name.includes('-Model-')) return network || !name.endsWith('-Network');
        return JSON.stringify(Resources).includes(`slipway/${environment}/models/${model.name}/`);
      });
      expect(own.filter(({ name }) => name.includes('-Model-'))).toHaveLength(1);
      const everything = withoutWebAcl(idlePrice(new Map(own.map((stack) => [stack.name, stack]))));
      // The load balancer is there for the tasks alone.
      const alone =
        model.serving.target === 'ecs' ? everything : without(everything, 'load balancers');
      const told = `${model.name}\n${idlePriceRows(alone).join('\n')}`;
      expect(alone.usdPerMonth, told).toBeGreaterThan(1);
      expect(alone.usdPerMonth, told).toBeLessThanOrEqual(limitOf(model.serving));
    }
  });

  it('is shown as a table that adds up', () => {
    const [heading, ...rows] = idlePriceRows(price);
    expect(heading).toEqual(['stack', 'what', 'count', 'a month']);
    const amounts = rows.map((row) => Number(row.at(-1)?.slice(1)));
    const total = amounts.pop() ?? 0;
    expect(amounts.reduce((sum, amount) => sum + amount, 0)).toBeCloseTo(total, 1);
  });
});

describe('the metrics of a model', () => {
  it('are three more where it has a cache', () => {
    const countOf = (variables: object) => {
      const Properties = { Environment: { Variables: variables } };
      const Resources = { Predict: { Type: 'AWS::Lambda::Function', Properties } };
      const { items } = idlePrice(new Map([['Slipway-dev-Model-Churn', { Resources }]]));
      return items.find(({ what }) => what.startsWith('metrics, once'))?.count;
    };
    expect(countOf({ PREDICTION_CACHE: '' })).toBe(metricsPerModel);
    const settings = JSON.stringify({ ttlSeconds: 60, maximumEntries: 10, usdPerMs: 1e-8 });
    expect(countOf({ PREDICTION_CACHE: settings })).toBe(metricsPerModel + 3);
  });
});

describe('a price', () => {
  it.each([
    ['AWS::CloudWatch::Alarm', { MetricName: 'Errors', Period: 60 }, 0.1],
    ['AWS::CloudWatch::Alarm', { MetricName: 'Errors', Period: 10 }, 0.3],
    [
      'AWS::CloudWatch::Alarm',
      { Metrics: [{ Expression: 'a/b' }, { MetricStat: { Period: 60 } }, { MetricStat: {} }] },
      0.2,
    ],
    ['AWS::KMS::Key', {}, 1],
    ['AWS::CloudWatch::Dashboard', {}, 3],
    ['AWS::ElastiCache::ServerlessCache', {}, 6.13],
    ['AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Interface', SubnetIds: ['a', 'b'] }, 14.6],
    ['AWS::EC2::VPCEndpoint', { VpcEndpointType: 'Gateway' }, 0],
    ['AWS::WAFv2::WebACL', { Rules: [{}, {}] }, 7],
    ['AWS::Kinesis::Stream', { ShardCount: 2 }, 21.9],
    ['AWS::SQS::Queue', {}, 0],
    ['AWS::DynamoDB::GlobalTable', { BillingMode: 'PAY_PER_REQUEST' }, 0],
  ])('of %s %j is $%d a month', (type, properties, usd) => {
    const price = idlePrice(one(type, properties));
    expect(price.unknown).toEqual([]);
    expect(price.usdPerMonth).toBeCloseTo(usd, 2);
  });

  it('of tasks is that of the fewest there are, with their addresses and their alarms', () => {
    const resources = {
      Task: { Type: 'AWS::ECS::TaskDefinition', Properties: { Cpu: '512', Memory: '1024' } },
      Service: {
        Type: 'AWS::ECS::Service',
        Properties: {
          NetworkConfiguration: { AwsvpcConfiguration: { AssignPublicIp: 'ENABLED' } },
        },
      },
      Tasks: {
        Type: 'AWS::ApplicationAutoScaling::ScalableTarget',
        Properties: { ServiceNamespace: 'ecs', MinCapacity: 2, MaxCapacity: 8 },
      },
      Queue: {
        Type: 'AWS::ApplicationAutoScaling::ScalingPolicy',
        Properties: { PolicyType: 'TargetTrackingScaling' },
      },
    };
    const price = idlePrice(new Map([['Slipway-dev-Api', { Resources: resources }]]));
    expect(price.unknown).toEqual([]);
    // https://aws.amazon.com/fargate/pricing/: 0.04048 a vCPU and hour, 0.004445 a GB and hour.
    const tasks = 2 * 730 * (0.5 * 0.04048 + 0.004445);
    expect(price.usdPerMonth).toBeCloseTo(tasks + 2 * 730 * 0.005 + 2 * 0.1 + 0.3, 2);
  });

  it('of warm environments is that of the most there are, all month', () => {
    const resources = {
      Predict: { Type: 'AWS::Lambda::Function', Properties: { MemorySize: 2_048 } },
      Warm: { Type: 'AWS::Lambda::Alias', Properties: { FunctionName: { Ref: 'Predict' } } },
      Times: {
        Type: 'AWS::ApplicationAutoScaling::ScalableTarget',
        Properties: { ServiceNamespace: 'lambda', MinCapacity: 0, MaxCapacity: 3 },
      },
    };
    const price = idlePrice(new Map([['Slipway-dev-Api', { Resources: resources }]]));
    expect(price.unknown).toEqual([]);
    expect(price.usdPerMonth).toBeCloseTo(3 * 2 * 0.0000041667 * 730 * 3_600, 1);
  });

  it.each([
    ['AWS::SageMaker::Endpoint', {}],
    ['AWS::Kinesis::Stream', { StreamModeDetails: { StreamMode: 'ON_DEMAND' } }],
    ['AWS::ECS::Service', { DesiredCount: 2 }],
    ['AWS::DynamoDB::GlobalTable', { BillingMode: 'PROVISIONED' }],
    ['AWS::ApiGateway::Stage', { CacheClusterEnabled: true }],
  ])('that is not known is told, and not taken for nothing: %s %j', (type, properties) => {
    expect(idlePrice(one(type, properties)).unknown).toEqual([
      expect.stringMatching(new RegExp(`^${type} in Slipway-dev-State has no price; add it`)),
    ]);
  });

  it('counts as many metrics of a model as its contracts name, or more', async () => {
    const names = new Set<string>();
    for (const file of globSync('lambdas/*/*.contract.ts').sort()) {
      const contract = await import(/* @vite-ignore */ `../../${file}`);
      for (const [name, value] of Object.entries(contract)) {
        if (!/metrics$/i.test(name)) continue;
        for (const metric of Object.values(value as object)) names.add(String(metric));
      }
    }
    expect(names.size).toBeGreaterThan(4);
    expect(names.size, [...names].join(', ')).toBeLessThanOrEqual(metricsPerModel);
  });
});
