import { createHash } from 'node:crypto';
import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  CfnService,
  ContainerDependencyCondition,
  ContainerImage,
  CpuArchitecture,
  FargateTaskDefinition,
  LogDriver,
  OperatingSystemFamily,
} from 'aws-cdk-lib/aws-ecs';
import { CfnListenerRule, CfnTargetGroup } from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup } from 'aws-cdk-lib/aws-logs';
import { Asset } from 'aws-cdk-lib/aws-s3-assets';
import { Construct } from 'constructs';
import type { EcsServing } from '../../core/model/serving-section.ts';
import { grantActions, grantEndpointUse } from '../runtime/endpoint-grants.ts';
import {
  grantListing,
  grantObjects,
  grantRegistry,
  type ModelContext,
} from '../runtime/model-context.ts';
import type { Platform } from '../runtime/native-layer.ts';
import { serverArchive, serverNodeFlags } from '../runtime/server-archive.ts';
import { waive } from '../runtime/waivers.ts';
import { scaleByQueue } from './service-scaling.ts';
import { serverPort, type TaskHostingAccess } from './task-hosting.ts';

/** Public images that tasks are made of; nothing is built or pushed. */
export interface TaskImages {
  /** Node with tar, as in Docker's own image of Debian. */
  readonly node: string;
  readonly awsCli: string;
}

export interface ModelServiceProps extends ModelContext {
  readonly serving: EcsServing;
  readonly hosting: TaskHostingAccess;
  readonly images: TaskImages;
  readonly platform: Platform;
  /** JSON of the one model that it serves, as the server's environment has it. */
  readonly served: string;
  readonly predictionLogArn: string;
  /** Of the cache and the model's user in it, where there is one. */
  readonly cacheArns: readonly string[];
}

/** Requests take 25 s at most: so long the load balancer waits for those that a task has still to answer. */
const drainSeconds = 30;
/** How long a new task may take to fetch its code and load the live version. */
const startSeconds = 180;
const codeFolder = '/code';
const codeVolume = 'code';
/** The image's own user without rights. */
const nodeUser = '1000:1000';

/**
 * A model's place among the rules of the load balancer, from its name: it must not change when other models
 * come and go.
 */
export const rulePriority = (model: string): number =>
  1 + (createHash('sha256').update(model).digest().readUInt32BE() % 50_000);

/** One model's tasks on Fargate behind the shared load balancer, as many as its queue needs. */
export class ModelService extends Construct {
  constructor(scope: Construct, id: string, props: ModelServiceProps) {
    super(scope, id);
    const targets = this.targetGroup(props);
    const rule = this.rule(props, targets);
    const task = this.taskDefinition(props);
    const service = this.service(props, targets, task);
    // Without their policies tasks would fail, and the first deployment with them.
    service.node.addDependency(task.taskRole, task.obtainExecutionRole());
    service.addResourceDependency(rule);
    scaleByQueue(this, props, service);
  }

  private targetGroup({ hosting }: ModelServiceProps): CfnTargetGroup {
    return new CfnTargetGroup(this, 'Targets', {
      targetType: 'ip',
      vpcId: hosting.vpc.vpcId,
      protocol: 'HTTP',
      port: serverPort,
      // Ready is a task whose live version is loaded, and that has not been told to end.
      healthCheckPath: '/v2/health/ready',
      healthCheckIntervalSeconds: 10,
      healthCheckTimeoutSeconds: 5,
      healthyThresholdCount: 2,
      unhealthyThresholdCount: 3,
      matcher: { httpCode: '200' },
      targetGroupAttributes: [
        { key: 'deregistration_delay.timeout_seconds', value: String(drainSeconds) },
        // Requests of one row and of a thousand are not the same work.
        { key: 'load_balancing.algorithm.type', value: 'least_outstanding_requests' },
      ],
    });
  }

  /** API Gateway puts its stage before the path, which the server does not know. */
  private rule({ hosting, model }: ModelServiceProps, targets: CfnTargetGroup): CfnListenerRule {
    const { name } = model;
    const paths = [`/v1/models/${name}`, `/v1/models/${name}:predict`, `/v2/models/${name}`];
    return new CfnListenerRule(this, 'Rule', {
      listenerArn: hosting.listenerArn,
      priority: rulePriority(name),
      conditions: [
        {
          field: 'path-pattern',
          pathPatternConfig: {
            values: [...paths, `/v2/models/${name}/*`].map((path) => `*${path}`),
          },
        },
      ],
      transforms: [
        {
          type: 'url-rewrite',
          urlRewriteConfig: { rewrites: [{ regex: '^/[^/]+(/v[12]/.*)$', replace: '$1' }] },
        },
      ],
      actions: [{ type: 'forward', targetGroupArn: targets.attrTargetGroupArn }],
    });
  }

  private service(
    { hosting, serving: { minimumTasks } }: ModelServiceProps,
    targets: CfnTargetGroup,
    task: FargateTaskDefinition,
  ): CfnService {
    return new CfnService(this, 'Service', {
      cluster: hosting.cluster.clusterArn,
      taskDefinition: task.taskDefinitionArn,
      launchType: 'FARGATE',
      // How many there are is the scaling's to say, at every deployment but the first.
      desiredCount: undefined,
      availabilityZoneRebalancing: minimumTasks > 1 ? 'ENABLED' : 'DISABLED',
      healthCheckGracePeriodSeconds: startSeconds,
      loadBalancers: [
        {
          containerName: 'server',
          containerPort: serverPort,
          targetGroupArn: targets.attrTargetGroupArn,
        },
      ],
      deploymentConfiguration: {
        minimumHealthyPercent: 100,
        maximumPercent: 200,
        deploymentCircuitBreaker: { enable: true, rollback: true },
      },
      networkConfiguration: {
        awsvpcConfiguration: {
          // To reach AWS without a NAT gateway; the security group lets in the load balancer alone.
          assignPublicIp: 'ENABLED',
          subnets: hosting.vpc.publicSubnets.map(({ subnetId }) => subnetId),
          securityGroups: [hosting.securityGroup.securityGroupId],
        },
      },
      propagateTags: 'SERVICE',
    });
  }

  private role(id: string): Role {
    const { account } = Stack.of(this);
    return new Role(this, id, {
      assumedBy: new ServicePrincipal('ecs-tasks.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': account } },
      }),
    });
  }

  private taskDefinition(props: ModelServiceProps): FargateTaskDefinition {
    const { images, platform, serving } = props;
    const archive = serverArchive(platform);
    const code = new Asset(this, 'Code', { path: archive.file, assetHash: archive.hash });
    const task = new FargateTaskDefinition(this, 'Task', {
      cpu: serving.vcpu * 1_024,
      memoryLimitMiB: serving.memoryMb,
      taskRole: this.taskRole(props, code),
      executionRole: this.role('ExecutionRole'),
      runtimePlatform: {
        cpuArchitecture: platform.cpu === 'arm64' ? CpuArchitecture.ARM64 : CpuArchitecture.X86_64,
        operatingSystemFamily: OperatingSystemFamily.LINUX,
      },
      volumes: [{ name: codeVolume }],
    });
    const logging = LogDriver.awsLogs({
      logGroup: new LogGroup(this, 'Logs', {
        retention: props.logRetention,
        removalPolicy: RemovalPolicy.DESTROY,
      }),
      streamPrefix: 'task',
    });
    const archiveFile = `${codeFolder}/server.tgz`;
    const fetch = task.addContainer('fetch', {
      image: ContainerImage.fromRegistry(images.awsCli),
      command: ['s3', 'cp', code.s3ObjectUrl, archiveFile, '--no-progress'],
      essential: false,
      readonlyRootFilesystem: true,
      logging,
    });
    const unpack = task.addContainer('unpack', {
      image: ContainerImage.fromRegistry(images.node),
      command: ['tar', '-xzf', archiveFile, '-C', codeFolder, '--no-same-owner'],
      essential: false,
      readonlyRootFilesystem: true,
      logging,
    });
    const server = task.addContainer('server', {
      image: ContainerImage.fromRegistry(images.node),
      command: ['node', ...serverNodeFlags, `${codeFolder}/server.js`],
      environment: this.serverEnvironment(props),
      portMappings: [{ containerPort: serverPort }],
      user: nodeUser,
      readonlyRootFilesystem: true,
      stopTimeout: Duration.seconds(drainSeconds),
      logging,
    });
    for (const [container, readOnly] of [
      [fetch, false],
      [unpack, false],
      [server, true],
    ] as const) {
      container.addMountPoints({ containerPath: codeFolder, sourceVolume: codeVolume, readOnly });
    }
    const { SUCCESS } = ContainerDependencyCondition;
    unpack.addContainerDependencies({ container: fetch, condition: SUCCESS });
    server.addContainerDependencies({ container: unpack, condition: SUCCESS });
    waive(task, 'AwsSolutions-ECS2', 'the variables are names and settings; there is no secret');
    return task;
  }

  private serverEnvironment({ artifacts, registry, served, serving }: ModelServiceProps) {
    return {
      MODELS: served,
      REGISTRY_TABLE: registry.tableName,
      ARTIFACTS_BUCKET: artifacts.bucketName,
      PORT: String(serverPort),
      QUEUE_LIMIT_MS: String(serving.queueLimitMs),
      // One processor answers HTTP.
      WORKER_THREADS: String(Math.max(0, Math.ceil(serving.vcpu) - 1)),
    };
  }

  /** What the server may do, and what fetches it: containers of a task have one role. */
  private taskRole(props: ModelServiceProps, code: Asset): Role {
    const { artifacts, cacheArns, model, predictionLogArn, registry } = props;
    const role = this.role('TaskRole');
    grantObjects(role, artifacts, ['read'], [`models/${model.name}/`]);
    grantListing(role, artifacts, [`models/${model.name}/`]);
    grantRegistry(role, registry, 'read');
    grantEndpointUse(role, model.name);
    grantActions(role, ['firehose:PutRecordBatch'], [predictionLogArn]);
    grantActions(role, ['s3:GetObject'], [code.bucket.arnForObjects(code.s3ObjectKey)]);
    if (cacheArns.length > 0) grantActions(role, ['elasticache:Connect'], [...cacheArns]);
    return role;
  }
}
