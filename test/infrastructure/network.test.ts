import type { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { defineModel } from '../../core/model/define-model.ts';
import { accessString } from '../../lib/inference/shared-cache.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { environmentOnAws } from './synthesis.ts';

const plain = defineModel(aModelDefinition({ name: 'plain' }));
const cached = (name: string) =>
  defineModel(aModelDefinition({ name, serving: { target: 'lambda', cache: {} } }));

const appOf = (models: Parameters<typeof slipwayApp>[1], changes: object = {}, account?: string) =>
  slipwayApp({ ...environmentOnAws('prod'), ...changes }, models, account);
const stackOf = (app: App, name: string) => app.node.tryFindChild(`Slipway-prod-${name}`) as Stack;
const templateOf = (app: App, name: string) => Template.fromStack(stackOf(app, name));

type Statement = { Effect: string; Action: string | string[]; Resource: unknown };
const statementsOf = (template: Template): Statement[] =>
  Object.values(template.findResources('AWS::IAM::Policy')).flatMap(
    ({ Properties }) => Properties.PolicyDocument.Statement,
  );
const predictOf = (template: Template) => {
  const found = Object.values(template.findResources('AWS::Lambda::Function')).filter(
    ({ Properties }) => Properties.Environment?.Variables?.PREDICTION_STREAM,
  );
  expect(found).toHaveLength(1);
  return found[0]?.Properties;
};

describe('a model that asks for no cache', () => {
  const app = appOf([plain]);

  it('has no network, and its endpoint works outside of any', () => {
    expect(stackOf(app, 'Network')).toBeUndefined();
    const predict = predictOf(templateOf(app, 'Model-Plain'));
    expect(predict).not.toHaveProperty('VpcConfig');
    expect(predict.Environment.Variables.PREDICTION_CACHE).toBe('');
  });

  it('may neither connect to a cache nor make network interfaces', () => {
    const actions = statementsOf(templateOf(app, 'Model-Plain')).flatMap(({ Action }) => Action);
    expect(actions.filter((action) => /^(elasticache|ec2):/.test(action))).toEqual([]);
  });
});

describe('the network of models that ask for a cache', () => {
  const app = appOf([plain, cached('churn'), cached('churn-eu')]);
  const network = templateOf(app, 'Network');

  it('is isolated: two subnets in two zones, and no way out but endpoints', () => {
    network.resourceCountIs('AWS::EC2::Subnet', 2);
    for (const type of ['NatGateway', 'InternetGateway', 'VPCGatewayAttachment', 'EIP', 'Route']) {
      network.resourceCountIs(`AWS::EC2::${type}`, 0);
    }
    const zones = Object.values(network.findResources('AWS::EC2::Subnet')).map(
      ({ Properties }) => Properties.AvailabilityZone,
    );
    expect(zones).toEqual([0, 1].map((n) => ({ 'Fn::Select': [n, { 'Fn::GetAZs': '' }] })));
  });

  it('bills by the hour for one endpoint in one zone, and one cache', () => {
    const endpoints = Object.values(network.findResources('AWS::EC2::VPCEndpoint'));
    const interfaces = endpoints.filter(
      ({ Properties }) => Properties.VpcEndpointType === 'Interface',
    );
    expect(interfaces).toHaveLength(1);
    expect(interfaces[0]?.Properties.SubnetIds).toHaveLength(1);
    expect(interfaces[0]?.Properties.PrivateDnsEnabled).toBe(true);
    network.resourceCountIs('AWS::ElastiCache::ServerlessCache', 1);
  });

  it("has endpoints for exactly the services that the endpoint's code calls", async () => {
    const { metafile, outputFiles } = await build({
      entryPoints: ['lambdas/inference/predict.handler.ts'],
      bundle: true,
      write: false,
      metafile: true,
      platform: 'node',
      external: ['onnxruntime-node'],
      logLevel: 'error',
    });
    // By the SDK's clients, or by requests of its own.
    const clients = Object.keys(metafile.inputs).flatMap(
      (file) => /node_modules\/@aws-sdk\/client-([a-z0-9-]+)\//.exec(file)?.[1] ?? [],
    );
    const asked = [...(outputFiles[0]?.text.matchAll(/awsService\(\{\s*dns: "([^"]+)"/g) ?? [])];
    const called = new Set([...clients, ...asked.flatMap(([, dns]) => dns ?? [])]);
    const services = Object.values(network.findResources('AWS::EC2::VPCEndpoint')).map(
      ({ Properties }) => /([a-z0-9-]+)"\]*\}?$/.exec(JSON.stringify(Properties.ServiceName))?.[1],
    );
    // A container's answers are not cached, so that no function in here asks one.
    expect([...called].sort()).toEqual(['dynamodb', 'firehose', 's3', 'sagemaker-runtime']);
    expect(services.sort()).toEqual(['dynamodb', 'kinesis-firehose', 's3']);
  });

  it('lets through its endpoints all that the role of a model’s endpoint may do there, and no more', () => {
    const ofService = (action: string) => /^(s3|dynamodb|firehose):/.test(action);
    const allowed = Object.values(network.findResources('AWS::EC2::VPCEndpoint')).flatMap(
      ({ Properties }) =>
        Properties.PolicyDocument.Statement.flatMap(({ Action }: Statement) => Action),
    );
    const model = templateOf(app, 'Model-Churn');
    const policies = Object.entries(model.findResources('AWS::IAM::Policy')).filter(([id]) =>
      /^EndpointPredictRole/.test(id),
    );
    expect(policies).toHaveLength(1);
    const used = policies.flatMap(([, { Properties }]) =>
      Properties.PolicyDocument.Statement.flatMap(({ Action }: Statement) => Action),
    );
    expect(allowed.sort()).toEqual(used.filter(ofService).sort());
  });

  it('lets no endpoint carry anything to another account', () => {
    for (const { Properties } of Object.values(network.findResources('AWS::EC2::VPCEndpoint'))) {
      expect(Properties.PolicyDocument.Statement).toEqual([
        expect.objectContaining({
          Effect: 'Allow',
          Condition: {
            StringEquals: {
              'aws:PrincipalAccount': { Ref: 'AWS::AccountId' },
              'aws:ResourceAccount': { Ref: 'AWS::AccountId' },
            },
          },
        }),
      ]);
    }
  });

  it('lets functions to the cache and to the endpoint of Firehose, and nobody else', () => {
    const ingress = Object.values(network.findResources('AWS::EC2::SecurityGroupIngress'));
    expect(ingress.map(({ Properties }) => Properties.FromPort).sort()).toEqual([443, 6379]);
    for (const { Properties } of ingress) {
      expect(JSON.stringify(Properties.SourceSecurityGroupId)).toContain('Functions');
    }
    for (const group of Object.values(network.findResources('AWS::EC2::SecurityGroup'))) {
      expect(group.Properties).not.toHaveProperty('SecurityGroupIngress');
    }
  });

  it('writes down what it refuses', () => {
    network.hasResourceProperties('AWS::EC2::FlowLog', { TrafficType: 'REJECT' });
  });

  it('is looked up in no account, also where the account is known', () => {
    const known = appOf([cached('churn')], {}, '123456789012');
    expect(known.synth().manifest.missing ?? []).toEqual([]);
  });

  it('lies in the zones that the environment names', () => {
    const zones = ['us-east-1b', 'us-east-1d'];
    const cache = { kind: 'elasticache', availabilityZones: zones };
    const named = templateOf(appOf([cached('churn')], { cache }), 'Network');
    for (const AvailabilityZone of zones) {
      named.hasResourceProperties('AWS::EC2::Subnet', { AvailabilityZone });
    }
  });

  it('keeps its exports when another model comes to use the cache', () => {
    const outputs = (template: Template) => Object.keys(template.toJSON().Outputs ?? {}).sort();
    expect(outputs(network)).toEqual(outputs(templateOf(appOf([cached('churn')]), 'Network')));
  });
});

describe('the shared cache', () => {
  const app = appOf([plain, cached('churn'), cached('churn-eu')]);
  const network = templateOf(app, 'Network');
  const users = Object.values(network.findResources('AWS::ElastiCache::User'));

  it('is Valkey, bounded in what it can cost, and keeps no snapshot', () => {
    network.hasResourceProperties('AWS::ElastiCache::ServerlessCache', {
      Engine: 'valkey',
      ServerlessCacheName: 'slipway-prod',
      CacheUsageLimits: {
        DataStorage: { Unit: 'GB', Maximum: 1 },
        ECPUPerSecond: { Maximum: 5_000 },
      },
      SnapshotRetentionLimit: 0,
      UserGroupId: Match.anyValue(),
    });
  });

  it('knows one user per model, who signs in with IAM and sees only the keys of that model', () => {
    expect(users.map(({ Properties }) => Properties.AccessString).sort()).toEqual([
      accessString('churn-eu'),
      accessString('churn'),
    ]);
    for (const { Properties } of users) {
      expect(Properties.AuthenticationMode).toEqual({ Type: 'iam' });
      expect(Properties.UserName).toBe(Properties.UserId);
      expect(Properties).not.toHaveProperty('NoPasswordRequired');
    }
    network.hasResourceProperties('AWS::ElastiCache::UserGroup', {
      Engine: 'valkey',
      UserIds: [{ Ref: Match.anyValue() }, { Ref: Match.anyValue() }],
    });
  });

  it.each(['a23456789-123456789-123456789-12', 'a--b', 'churn-eu'])(
    'gives a model called %s a user name that ElastiCache takes',
    (name) => {
      const found = templateOf(appOf([cached(name)]), 'Network').findResources(
        'AWS::ElastiCache::User',
      );
      const [user] = Object.values(found).map(({ Properties }) => Properties.UserId);
      expect(user).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
      expect(user.length).toBeLessThanOrEqual(40);
    },
  );

  it('lets an endpoint connect to this cache as its own user, and as nobody else', () => {
    const template = templateOf(app, 'Model-ChurnEu');
    const connects = statementsOf(template).filter(
      ({ Action }) => Action === 'elasticache:Connect',
    );
    expect(connects).toHaveLength(1);
    const resources = ([connects[0]?.Resource].flat() as object[]).map((arn) =>
      JSON.stringify(arn),
    );
    const own = users.find(({ Properties }) => Properties.AccessString.includes('~churn-eu:'));
    expect(resources).toEqual([
      expect.stringContaining(':serverlesscache:slipway-prod"'),
      expect.stringContaining(`:user:${own?.Properties.UserId}"`),
    ]);
  });

  it('is in the environment of the endpoint, with the name to sign in with', () => {
    const predict = predictOf(templateOf(app, 'Model-Churn'));
    expect(predict.VpcConfig.SubnetIds).toHaveLength(2);
    expect(predict.VpcConfig.SecurityGroupIds).toHaveLength(1);
    const text = JSON.stringify(predict.Environment.Variables.PREDICTION_CACHE);
    expect(text).toMatch(/ttlSeconds\\+":3600,\\+"maximumEntries\\+":10000/);
    expect(text).toMatch(/cacheName\\+":\\+"slipway-prod\\+",\\+"user\\+":\\+"prod-churn-/);
  });

  it("lets Lambda make the endpoint's network interfaces, and denies it to the endpoint's code", () => {
    const template = templateOf(app, 'Model-Churn');
    const about = statementsOf(template).filter(({ Action }) =>
      [Action].flat().includes('ec2:CreateNetworkInterface'),
    );
    expect(about.map(({ Effect }) => Effect).sort()).toEqual(['Allow', 'Deny']);
    const deny = about.find(({ Effect }) => Effect === 'Deny');
    expect(deny).toMatchObject({
      Condition: { ArnEquals: { 'lambda:SourceFunctionArn': { 'Fn::GetAtt': expect.anything() } } },
    });
  });

  it('leaves every other function outside of the network', () => {
    const inside = (name: string) =>
      Object.values(templateOf(app, name).findResources('AWS::Lambda::Function')).filter(
        ({ Properties }) => Properties.VpcConfig,
      );
    expect(inside('Model-Churn')).toHaveLength(1);
    expect(inside('Model-Plain')).toEqual([]);
  });

  it('passes cdk-nag', () => {
    expect(() => appOf([cached('churn')]).synth()).not.toThrow();
  });
});

describe('an environment without ElastiCache', () => {
  it('has no network; its endpoints are told the address', () => {
    const app = appOf([cached('churn')], { cache: { kind: 'address', host: '::1', port: 7000 } });
    expect(stackOf(app, 'Network')).toBeUndefined();
    const predict = predictOf(templateOf(app, 'Model-Churn'));
    expect(predict).not.toHaveProperty('VpcConfig');
    expect(JSON.parse(predict.Environment.Variables.PREDICTION_CACHE)).toEqual({
      ttlSeconds: 3_600,
      maximumEntries: 10_000,
      usdPerMs: expect.any(Number),
      valkey: { host: '::1', port: 7_000 },
    });
  });

  it('may have none to share: then each keeps its own answers', () => {
    const app = appOf([cached('churn')], { cache: { kind: 'memory' } });
    const { PREDICTION_CACHE } = predictOf(templateOf(app, 'Model-Churn')).Environment.Variables;
    expect(JSON.parse(PREDICTION_CACHE)).toEqual({
      ttlSeconds: 3_600,
      maximumEntries: 10_000,
      usdPerMs: expect.closeTo((1_769 / 1_024) * 1.66667e-8, 15),
    });
  });
});
