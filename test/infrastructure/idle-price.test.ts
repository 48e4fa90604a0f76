import { globSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { type IdlePrice, idlePrice, idlePriceRows, metricsPerModel } from '../../cli/idle-price.ts';
import type { PricedTemplate } from '../../cli/list-prices.ts';
import { environmentNames, models, stacksOf } from './every-environment.ts';

const priceOf = (environment: (typeof environmentNames)[number]) =>
  idlePrice(new Map(stacksOf(environment).map((stack) => [stack.name, stack])));

/** It is the environment's choice, whatever its models are. */
function withoutWebAcl({ items, unknown }: IdlePrice): IdlePrice {
  const others = items.filter(({ what }) => !what.startsWith('web ACL'));
  const usdPerMonth = others.reduce((sum, item) => sum + item.usdPerMonth, 0);
  return { items: others, usdPerMonth, unknown };
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

  it('is at most $8 a month for one model on Lambda, all that it shares included but the web ACL', () => {
    for (const model of models) {
      const cached = 'cache' in model.serving && model.serving.cache !== undefined;
      // Two streams of one shard each, which are there for nobody who did not ask for them.
      const streams = model.serving.streaming ? 22 : 0;
      const own = stacksOf(environment).filter(({ name, Resources }) => {
        if (!name.includes('-Model-')) return cached || !name.endsWith('-Network');
        return JSON.stringify(Resources).includes(`slipway/${environment}/models/${model.name}/`);
      });
      expect(own.filter(({ name }) => name.includes('-Model-'))).toHaveLength(1);
      const everything = idlePrice(new Map(own.map((stack) => [stack.name, stack])));
      const alone = withoutWebAcl(everything);
      expect(alone.usdPerMonth, idlePriceRows(alone).join('\n')).toBeGreaterThan(1);
      expect(alone.usdPerMonth, idlePriceRows(alone).join('\n')).toBeLessThanOrEqual(
        (cached ? 25 : 8) + streams,
      );
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

  it.each([
    ['AWS::SageMaker::Endpoint', {}],
    ['AWS::Kinesis::Stream', { StreamModeDetails: { StreamMode: 'ON_DEMAND' } }],
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
