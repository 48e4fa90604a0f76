import type { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { serverEnvironment } from '../../containers/inference-server/environment.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { environmentOnAws } from './synthesis.ts';

const served = (name: string, serving: object = {}) =>
  defineModel(aModelDefinition({ name, serving: { target: 'ecs', ...serving } }));

const appOf = (models: Parameters<typeof slipwayApp>[1], changes: object = {}) =>
  slipwayApp({ ...environmentOnAws('prod'), ...changes }, models, undefined);
const stackOf = (app: App, name: string) => app.node.tryFindChild(`Slipway-prod-${name}`) as Stack;
const templateOf = (app: App, name: string) => Template.fromStack(stackOf(app, name));
// biome-ignore lint/suspicious/noExplicitAny: a template is what CloudFormation takes
const propertiesOf = (template: Template, type: string): any[] =>
  Object.values(template.findResources(type)).map(({ Properties }) => Properties);

const plain = defineModel(aModelDefinition({ name: 'plain' }));
const app = appOf([plain, served('churn', { vcpu: 2, memoryMb: 4_096, queueLimitMs: 80 })]);
const network = templateOf(app, 'Network');
const model = templateOf(app, 'Model-Churn');
const api = templateOf(app, 'Api');

describe('the network of models that tasks answer', () => {
  it('leads out by an internet gateway, without a NAT gateway or a cache', () => {
    network.resourceCountIs('AWS::EC2::Subnet', 2);
    network.resourceCountIs('AWS::EC2::InternetGateway', 1);
    network.resourceCountIs('AWS::EC2::NatGateway', 0);
    network.resourceCountIs('AWS::ElastiCache::ServerlessCache', 0);
    const endpoints = propertiesOf(network, 'AWS::EC2::VPCEndpoint');
    expect(endpoints.map(({ VpcEndpointType }) => VpcEndpointType)).toEqual(['Gateway', 'Gateway']);
  });

  it('keeps the addresses of subnets where they are when the other kind comes', () => {
    const blocks = (models: Parameters<typeof slipwayApp>[1]) =>
      propertiesOf(templateOf(appOf(models), 'Network'), 'AWS::EC2::Subnet').map(
        ({ CidrBlock }) => CidrBlock,
      );
    const cached = defineModel(
      aModelDefinition({ name: 'cached', serving: { target: 'lambda', cache: {} } }),
    );
    const both = blocks([cached, served('churn')]);
    expect(both).toEqual([...blocks([cached]), ...blocks([served('churn')])]);
    expect(new Set(both).size).toBe(4);
  });

  it('lets nobody to a task but the load balancer, and nobody to it but API Gateway', () => {
    const groups = network.findResources('AWS::EC2::SecurityGroup');
    for (const { Properties } of Object.values(groups)) {
      expect(Properties).not.toHaveProperty('SecurityGroupIngress');
    }
    const ways = propertiesOf(network, 'AWS::EC2::SecurityGroupIngress').map((rule) => {
      const named = (group: object) =>
        /Network(Callers|Balancer|Servers)/.exec(JSON.stringify(group))?.[1];
      return [named(rule.SourceSecurityGroupId), named(rule.GroupId), rule.FromPort];
    });
    expect(ways.sort()).toEqual([
      ['Balancer', 'Servers', 8_080],
      ['Callers', 'Balancer', 80],
    ]);
    const [out] = Object.entries(groups).flatMap(([id, { Properties }]) =>
      /Servers/.test(id) ? Properties.SecurityGroupEgress : [],
    );
    expect(out).toMatchObject({ CidrIp: '0.0.0.0/0', FromPort: 443, ToPort: 443 });
  });

  it('lets tasks to the cache where a model asks for both', () => {
    const both = templateOf(appOf([served('churn', { cache: {} })]), 'Network');
    const ports = propertiesOf(both, 'AWS::EC2::SecurityGroupIngress')
      .filter((rule) => JSON.stringify(rule.SourceSecurityGroupId).includes('Servers'))
      .map(({ FromPort }) => FromPort);
    expect(ports.sort()).toEqual([443, 6_379]);
  });

  it('has one load balancer, internal, which speaks TLS where the environment has a certificate', () => {
    const balancers = propertiesOf(network, 'AWS::ElasticLoadBalancingV2::LoadBalancer');
    expect(balancers).toEqual([expect.objectContaining({ Scheme: 'internal' })]);
    const certificate = { arn: 'arn:aws:acm:eu-west-1:123:certificate/a', domainName: 'a.example' };
    const tasks = { ...environmentOnAws('prod').tasks, certificate };
    const withTls = appOf([served('churn')], { tasks });
    const listener = propertiesOf(
      templateOf(withTls, 'Network'),
      'AWS::ElasticLoadBalancingV2::Listener',
    );
    expect(listener).toEqual([
      expect.objectContaining({
        Port: 443,
        Protocol: 'HTTPS',
        Certificates: [{ CertificateArn: certificate.arn }],
        SslPolicy: expect.stringContaining('TLS13'),
      }),
    ]);
    const uris = propertiesOf(templateOf(withTls, 'Api'), 'AWS::ApiGateway::Method')
      .map(({ Integration }) => Integration)
      .filter(({ ConnectionType }) => ConnectionType === 'VPC_LINK')
      .map(({ Uri }) => Uri);
    expect(uris).toContain('https://a.example:443/v1/models/churn:predict');
  });

  it('is not there for models on Lambda alone', () => {
    expect(stackOf(appOf([plain]), 'Network')).toBeUndefined();
  });
});

describe('the service of a model', () => {
  const [task] = propertiesOf(model, 'AWS::ECS::TaskDefinition');
  // biome-ignore lint/suspicious/noExplicitAny: a template is what CloudFormation takes
  const containers: any[] = task.ContainerDefinitions;
  const server = containers.find(({ Name }) => Name === 'server');

  it('fetches its code, unpacks it, and runs it without rights on a file system it cannot write', () => {
    expect(
      containers.map(({ Name, Essential, DependsOn }) => [Name, Essential, DependsOn]),
    ).toEqual([
      ['fetch', false, undefined],
      ['unpack', false, [{ ContainerName: 'fetch', Condition: 'SUCCESS' }]],
      ['server', true, [{ ContainerName: 'unpack', Condition: 'SUCCESS' }]],
    ]);
    expect(containers.every(({ ReadonlyRootFilesystem }) => ReadonlyRootFilesystem)).toBe(true);
    expect(server).toMatchObject({
      User: '1000:1000',
      StopTimeout: 30,
      MountPoints: [{ ReadOnly: true }],
      Command: ['node', '--max-semi-space-size=16', '/code/server.js'],
    });
    expect(task).toMatchObject({ Cpu: '2048', Memory: '4096' });
  });

  it("sets the server's environment as the server reads it", () => {
    const text = (value: unknown): string =>
      typeof value === 'string'
        ? value
        : ((value as Record<string, [string, unknown[]]>)['Fn::Join']?.[1].map(text).join('') ??
          'a-name');
    const variables = Object.fromEntries(
      server.Environment.map(({ Name, Value }: { Name: string; Value: unknown }) => [
        Name,
        text(Value),
      ]),
    );
    expect(serverEnvironment(variables)).toEqual({
      MODELS: [
        {
          name: 'churn',
          batching: { maximumRows: 256, maximumQueuedRows: 4_096 },
          predictionStream: 'a-name',
        },
      ],
      REGISTRY_TABLE: 'a-name',
      ARTIFACTS_BUCKET: 'a-name',
      PORT: 8_080,
      QUEUE_LIMIT_MS: 80,
      WORKER_THREADS: 1,
    });
  });

  it('replaces tasks only by tasks that are ready, or goes back', () => {
    const [service] = propertiesOf(model, 'AWS::ECS::Service');
    expect(service).toMatchObject({
      LaunchType: 'FARGATE',
      DeploymentConfiguration: {
        MinimumHealthyPercent: 100,
        MaximumPercent: 200,
        DeploymentCircuitBreaker: { Enable: true, Rollback: true },
      },
    });
    // How many there are is the scaling's to say.
    expect(service).not.toHaveProperty('DesiredCount');
    const [targets] = propertiesOf(model, 'AWS::ElasticLoadBalancingV2::TargetGroup');
    expect(targets).toMatchObject({ HealthCheckPath: '/v2/health/ready', TargetType: 'ip' });
    expect(targets.TargetGroupAttributes).toContainEqual({
      Key: 'deregistration_delay.timeout_seconds',
      Value: '30',
    });
  });

  it('is asked for the paths of its model alone, as the server knows them', () => {
    const [rule] = propertiesOf(model, 'AWS::ElasticLoadBalancingV2::ListenerRule');
    const patterns: string[] = rule.Conditions[0].PathPatternConfig.Values;
    const matches = (path: string) =>
      patterns.some((pattern) =>
        new RegExp(`^${pattern.replaceAll('*', '.*').replaceAll('/', '\\/')}$`).test(path),
      );
    for (const path of ['/v1/models/churn', '/v1/models/churn:predict', '/v2/models/churn/infer']) {
      expect(matches(path) && matches(`/live${path}`), path).toBe(true);
    }
    for (const path of ['/v1/models/churn-eu', '/v1/models/churn:feedback', '/v2/models/churns']) {
      expect(matches(`/live${path}`), path).toBe(false);
    }
    const [{ UrlRewriteConfig }] = rule.Transforms;
    const [{ Regex, Replace }] = UrlRewriteConfig.Rewrites;
    const rewritten = (path: string) => path.replace(new RegExp(Regex), Replace);
    expect(rewritten('/live/v2/models/churn/infer')).toBe('/v2/models/churn/infer');
    expect(rewritten('/v2/models/churn/infer')).toBe('/v2/models/churn/infer');
    // A rule takes five wildcards.
    expect(patterns.join('').match(/\*/g)?.length).toBeLessThanOrEqual(5);
  });

  it('grows before its queue is too long, and not by its processor', () => {
    const [policy] = propertiesOf(model, 'AWS::ApplicationAutoScaling::ScalingPolicy');
    expect(policy.TargetTrackingScalingPolicyConfiguration).toMatchObject({
      CustomizedMetricSpecification: {
        Namespace: 'Slipway',
        MetricName: 'QueuedWorkMs',
        Dimensions: [{ Name: 'Model', Value: 'churn' }],
        Statistic: 'Average',
      },
      TargetValue: 40,
    });
    const [target] = propertiesOf(model, 'AWS::ApplicationAutoScaling::ScalableTarget');
    expect(target).toMatchObject({ MinCapacity: 2, MaxCapacity: 8 });
  });

  it('measures candidates in a function of about the size of a task', () => {
    const functions = propertiesOf(model, 'AWS::Lambda::Function');
    const [measures] = functions.filter(({ Environment }) => Environment?.Variables?.TASK);
    expect(JSON.parse(measures.Environment.Variables.TASK)).toEqual({ vcpu: 2, memoryMb: 4_096 });
    expect(measures.MemorySize).toBe(3_008);
  });

  it('keeps what the API refers to, whichever target it has', () => {
    const exportsOf = (serving: object) => {
      const definition = defineModel(
        aModelDefinition({ name: 'turned', serving: serving as never }),
      );
      const { Outputs } = templateOf(appOf([definition]), 'Model-Turned').toJSON();
      return Object.values(Outputs as Record<string, { Export?: { Name: string } }>).flatMap(
        ({ Export }) => Export?.Name ?? [],
      );
    };
    const byFunction = exportsOf({ target: 'lambda' });
    expect(byFunction.length).toBeGreaterThan(1);
    expect(exportsOf({ target: 'ecs' }).sort()).toEqual(byFunction.sort());
    const provisionedConcurrency = [{ cron: '0 7 ? * MON-FRI *', executions: 1 }];
    expect(exportsOf({ target: 'lambda', provisionedConcurrency }).sort()).toEqual(byFunction);
  });
});

describe('the API before tasks', () => {
  it('asks the load balancer over the link, and says itself who calls', () => {
    const asked = propertiesOf(api, 'AWS::ApiGateway::Method')
      .map(({ Integration }) => Integration)
      .filter(({ ConnectionType }) => ConnectionType === 'VPC_LINK');
    expect(asked).toHaveLength(5);
    for (const integration of asked) {
      expect(integration).toMatchObject({
        Type: 'HTTP_PROXY',
        TimeoutInMillis: 29_000,
        RequestParameters: {
          'integration.request.header.x-amzn-requestid': 'context.requestId',
          'integration.request.header.x-slipway-caller': 'context.identity.userArn',
        },
      });
      expect(JSON.stringify(integration.IntegrationTarget)).toContain('LoadBalancer');
      expect(JSON.stringify(integration.ConnectionId)).toContain('Link');
    }
  });
});

describe('models that the load balancer could not tell apart', () => {
  it('are refused with their names', () => {
    // Found by trying: both names have the same place among 50,000.
    expect(() => appOf([served('model-221'), served('model-242')])).toThrow(
      /'model-221' and 'model-242' would have the same place at the load balancer/,
    );
  });
});

describe('a function that stands ready by schedule', () => {
  const times = [{ cron: '0 7 ? * MON-FRI *', timezone: 'Europe/Berlin', executions: 3 }];
  const warm = defineModel(
    aModelDefinition({
      name: 'warm',
      serving: { target: 'lambda', provisionedConcurrency: times },
    }),
  );
  const both = appOf([plain, warm]);

  it('is asked by an alias of its newest version, whose environments come by that schedule', () => {
    const template = templateOf(both, 'Model-Warm');
    template.resourceCountIs('AWS::Lambda::Version', 1);
    expect(propertiesOf(template, 'AWS::ApplicationAutoScaling::ScalableTarget')).toEqual([
      expect.objectContaining({
        ServiceNamespace: 'lambda',
        MinCapacity: 0,
        MaxCapacity: 3,
        ScheduledActions: [
          expect.objectContaining({
            Schedule: 'cron(0 7 ? * MON-FRI *)',
            Timezone: 'Europe/Berlin',
            ScalableTargetAction: { MinCapacity: 3, MaxCapacity: 3 },
          }),
        ],
      }),
    ]);
    const uris = propertiesOf(templateOf(both, 'Api'), 'AWS::ApiGateway::Method').map(
      ({ Integration }) => JSON.stringify(Integration.Uri ?? ''),
    );
    expect(uris.filter((uri) => uri.includes(':warm/invocations'))).toHaveLength(5);
    const permissions = propertiesOf(templateOf(both, 'Api'), 'AWS::Lambda::Permission').map(
      ({ FunctionName }) => JSON.stringify(FunctionName),
    );
    expect(permissions.filter((name) => name.includes('":warm"'))).toHaveLength(1);
  });

  it('has no version and no alias where nothing is scheduled', () => {
    const template = templateOf(both, 'Model-Plain');
    for (const type of [
      'Lambda::Version',
      'Lambda::Alias',
      'ApplicationAutoScaling::ScalableTarget',
    ]) {
      template.resourceCountIs(`AWS::${type}`, 0);
    }
  });
});
