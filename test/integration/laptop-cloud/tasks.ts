// A service of ECS behind a load balancer, and an API that asks it over a VPC link, as one template.
import { gzipSync } from 'node:zlib';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import type { Cloud } from '../../../local/cloud.ts';
import { clientConfig } from './harness.ts';

/** A server in as few words as possible; a path with `slow` takes a while, `down` ends it unasked. */
const program = `
const server = require('node:http').createServer((request, response) => {
  if (request.url.includes('down')) process.exit(3);
  const { VERSION, AWS_ACCESS_KEY_ID } = process.env;
  const answer = () => response.end(JSON.stringify({
    path: request.url, method: request.method, headers: request.headers, pid: process.pid,
    version: VERSION, signs: AWS_ACCESS_KEY_ID, file: require('node:fs').readdirSync(__dirname),
  }));
  setTimeout(answer, request.url.includes('slow') ? 1500 : 0);
});
server.listen(Number(process.env.PORT), () => console.log('listening', process.env.VERSION));
process.on('SIGTERM', () => { console.log('told to end'); server.close(() => process.exit(0)); });
`;

export interface ServiceOptions {
  readonly version: string;
  readonly command?: readonly string[];
  readonly minimum?: number;
}

/** Puts what the task fetches into a bucket. */
export async function uploadProgram(cloud: Cloud): Promise<void> {
  const s3 = new S3Client(clientConfig(cloud));
  await s3.send(new CreateBucketCommand({ Bucket: 'code' }));
  const Body = gzipSync(program);
  await s3.send(new PutObjectCommand({ Bucket: 'code', Key: 'server.js.gz', Body }));
}

const role = (statement: object) => ({
  Type: 'AWS::IAM::Role',
  Properties: {
    AssumeRolePolicyDocument: {
      Statement: [
        {
          Effect: 'Allow',
          Action: 'sts:AssumeRole',
          Principal: { Service: 'ecs-tasks.amazonaws.com' },
        },
      ],
    },
    Policies: [
      { PolicyName: 'own', PolicyDocument: { Statement: [{ Effect: 'Allow', ...statement }] } },
    ],
  },
});

function container(name: string, image: string, own: object) {
  return {
    Name: name,
    Image: image,
    Essential: name === 'server',
    MountPoints: [{ ContainerPath: '/code', SourceVolume: 'code', ReadOnly: name === 'server' }],
    LogConfiguration: {
      LogDriver: 'awslogs',
      Options: {
        'awslogs-group': { Ref: 'Logs' },
        'awslogs-stream-prefix': 'task',
        'awslogs-region': 'us-east-1',
      },
    },
    ...own,
  };
}

const after = (name: string) => [{ ContainerName: name, Condition: 'SUCCESS' }];

function taskDefinition({ version, command = ['node', '/code/server.js'] }: ServiceOptions) {
  return {
    Type: 'AWS::ECS::TaskDefinition',
    Properties: {
      Family: 'served',
      NetworkMode: 'awsvpc',
      RequiresCompatibilities: ['FARGATE'],
      Cpu: '256',
      Memory: '512',
      TaskRoleArn: { 'Fn::GetAtt': ['TaskRole', 'Arn'] },
      ExecutionRoleArn: { 'Fn::GetAtt': ['ExecutionRole', 'Arn'] },
      Volumes: [{ Name: 'code' }],
      ContainerDefinitions: [
        // Listed before what it waits for.
        container('server', 'public.ecr.aws/docker/library/node:24', {
          Command: command,
          DependsOn: after('unpack'),
          Environment: [
            { Name: 'PORT', Value: '8080' },
            { Name: 'VERSION', Value: version },
          ],
          PortMappings: [{ ContainerPort: 8080 }],
        }),
        container('fetch', 'public.ecr.aws/aws-cli/aws-cli:2', {
          Command: ['s3', 'cp', 's3://code/server.js.gz', '/code/server.js.gz', '--no-progress'],
        }),
        container('unpack', 'public.ecr.aws/docker/library/node:24', {
          Command: ['gzip', '-d', '/code/server.js.gz'],
          DependsOn: after('fetch'),
        }),
      ],
    },
  };
}

function balancing() {
  return {
    Balancer: {
      Type: 'AWS::ElasticLoadBalancingV2::LoadBalancer',
      Properties: { Scheme: 'internal', Type: 'application', Subnets: ['subnet-1', 'subnet-2'] },
    },
    Listener: {
      Type: 'AWS::ElasticLoadBalancingV2::Listener',
      Properties: {
        LoadBalancerArn: { Ref: 'Balancer' },
        Port: 80,
        Protocol: 'HTTP',
        DefaultActions: [{ Type: 'fixed-response', FixedResponseConfig: { StatusCode: '404' } }],
      },
    },
    Targets: {
      Type: 'AWS::ElasticLoadBalancingV2::TargetGroup',
      Properties: {
        TargetType: 'ip',
        Port: 8080,
        Protocol: 'HTTP',
        VpcId: 'vpc-1',
        HealthCheckPath: '/ready',
      },
    },
    Rule: {
      Type: 'AWS::ElasticLoadBalancingV2::ListenerRule',
      Properties: {
        ListenerArn: { Ref: 'Listener' },
        Priority: 7,
        Conditions: [
          {
            Field: 'path-pattern',
            PathPatternConfig: { Values: ['*/models/churn', '*/models/churn/*'] },
          },
        ],
        Transforms: [
          {
            Type: 'url-rewrite',
            UrlRewriteConfig: { Rewrites: [{ Regex: '^/[^/]+(/models/.*)$', Replace: '$1' }] },
          },
        ],
        Actions: [{ Type: 'forward', TargetGroupArn: { Ref: 'Targets' } }],
      },
    },
  };
}

function api() {
  const resource = (parent: object, part: string) => ({
    Type: 'AWS::ApiGateway::Resource',
    Properties: { RestApiId: { Ref: 'Api' }, ParentId: parent, PathPart: part },
  });
  return {
    Link: {
      Type: 'AWS::ApiGatewayV2::VpcLink',
      Properties: { Name: 'link', SubnetIds: ['subnet-1'], SecurityGroupIds: ['sg-1'] },
    },
    Api: {
      Type: 'AWS::ApiGateway::RestApi',
      Properties: { Name: 'served', BinaryMediaTypes: ['*/*'] },
    },
    Models: resource({ 'Fn::GetAtt': ['Api', 'RootResourceId'] }, 'models'),
    Churn: resource({ Ref: 'Models' }, 'churn'),
    Actions: resource({ Ref: 'Churn' }, '{proxy+}'),
    Post: {
      Type: 'AWS::ApiGateway::Method',
      Properties: {
        RestApiId: { Ref: 'Api' },
        ResourceId: { Ref: 'Actions' },
        HttpMethod: 'POST',
        AuthorizationType: 'NONE',
        RequestParameters: { 'method.request.path.proxy': true },
        Integration: {
          Type: 'HTTP_PROXY',
          IntegrationHttpMethod: 'POST',
          ConnectionType: 'VPC_LINK',
          ConnectionId: { Ref: 'Link' },
          IntegrationTarget: { Ref: 'Balancer' },
          Uri: {
            'Fn::Join': [
              '',
              ['http://', { 'Fn::GetAtt': ['Balancer', 'DNSName'] }, ':80/models/churn/{proxy}'],
            ],
          },
          RequestParameters: {
            'integration.request.path.proxy': 'method.request.path.proxy',
            'integration.request.header.x-amzn-requestid': 'context.requestId',
            'integration.request.header.x-caller': "'nobody'",
          },
        },
      },
    },
    Deployment: {
      Type: 'AWS::ApiGateway::Deployment',
      DependsOn: 'Post',
      Properties: { RestApiId: { Ref: 'Api' }, StageName: 'live' },
    },
  };
}

/** The whole as a template; its output Api is the API's id. */
export function serviceTemplate(options: ServiceOptions): object {
  const cluster = { Ref: 'Cluster' };
  return {
    Resources: {
      Logs: { Type: 'AWS::Logs::LogGroup', Properties: { LogGroupName: '/tasks' } },
      TaskRole: role({ Action: 's3:GetObject', Resource: 'arn:aws:s3:::code/*' }),
      ExecutionRole: role({
        Action: ['logs:CreateLogStream', 'logs:PutLogEvents'],
        Resource: { 'Fn::GetAtt': ['Logs', 'Arn'] },
      }),
      Cluster: { Type: 'AWS::ECS::Cluster' },
      Task: taskDefinition(options),
      ...balancing(),
      ...api(),
      Service: {
        Type: 'AWS::ECS::Service',
        DependsOn: ['Rule', 'TaskRole', 'ExecutionRole'],
        Properties: {
          Cluster: { 'Fn::GetAtt': ['Cluster', 'Arn'] },
          TaskDefinition: { Ref: 'Task' },
          LaunchType: 'FARGATE',
          LoadBalancers: [
            { ContainerName: 'server', ContainerPort: 8080, TargetGroupArn: { Ref: 'Targets' } },
          ],
          DeploymentConfiguration: {
            MinimumHealthyPercent: 100,
            MaximumPercent: 200,
            DeploymentCircuitBreaker: { Enable: true, Rollback: true },
          },
        },
      },
      Tasks: {
        Type: 'AWS::ApplicationAutoScaling::ScalableTarget',
        Properties: {
          ServiceNamespace: 'ecs',
          ScalableDimension: 'ecs:service:DesiredCount',
          ResourceId: {
            'Fn::Join': ['/', ['service', cluster, { 'Fn::GetAtt': ['Service', 'Name'] }]],
          },
          MinCapacity: options.minimum ?? 2,
          MaxCapacity: 4,
        },
      },
    },
    Outputs: { Api: { Value: { Ref: 'Api' } } },
  };
}
