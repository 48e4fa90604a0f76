import { Duration, Stack } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { ContainerServing } from '../../core/model/serving-section.ts';
import { DeployCandidateEnvironment } from '../../lambdas/inference/deploy-candidate.contract.ts';
import { endpointArn, grantActions, grantEndpointRemoval } from '../runtime/endpoint-grants.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import { grantImagePull } from '../runtime/image-pull.ts';
import { grantListing, grantObjects, type ModelContext } from '../runtime/model-context.ts';
import { explainWildcard } from '../runtime/waivers.ts';

export interface ModelEndpointsProps extends ModelContext {
  readonly serving: ContainerServing;
  /** Address of what the endpoints run. */
  readonly servingImage: string;
}

/** What the inference toolkit of SageMaker's framework images reads; other images have their own. */
const toolkitVariables = {
  SAGEMAKER_PROGRAM: 'inference.py',
  SAGEMAKER_SUBMIT_DIRECTORY: '/opt/ml/model/code',
  SAGEMAKER_CONTAINER_LOG_LEVEL: '20',
  // A serverless container answers one request at a time.
  SAGEMAKER_MODEL_SERVER_WORKERS: '1',
};

/**
 * Of a model that containers answer: the pipeline's step that brings an endpoint into service, a serverless one
 * per version, and the role in which SageMaker runs it.
 */
export class ModelEndpoints extends Construct {
  readonly deployCandidate: HandlerFunction<typeof DeployCandidateEnvironment>;

  constructor(scope: Construct, id: string, props: ModelEndpointsProps) {
    super(scope, id);
    const { artifacts, model, serving } = props;
    const role = this.servingRole(props);
    this.deployCandidate = new HandlerFunction(this, 'DeployCandidate', {
      ...props,
      entry: 'inference/deploy-candidate',
      contract: DeployCandidateEnvironment,
      // It reads the archive through twice.
      memoryMb: 1_024,
      timeout: Duration.minutes(10),
      environment: {
        ARTIFACTS_BUCKET: artifacts.bucketName,
        MODEL_NAME: model.name,
        SERVING_IMAGE: props.servingImage,
        SERVING_ENVIRONMENT: JSON.stringify(serving.image === undefined ? toolkitVariables : {}),
        SERVING_ROLE_ARN: role.roleArn,
        SERVING_MEMORY_MB: String(serving.memoryMb),
        SERVING_MAX_CONCURRENCY: String(serving.maxConcurrency),
        LOG_RETENTION_DAYS: String(props.logRetention),
      },
    });
    this.grantDeployment(props, role);
  }

  /** What a container may do: read what it runs, and write its log. */
  private servingRole({ artifacts, model: { name }, servingImage }: ModelEndpointsProps): Role {
    const role = new Role(this, 'ServingRole', {
      assumedBy: new ServicePrincipal('sagemaker.amazonaws.com'),
    });
    grantObjects(role, artifacts, ['read'], [`endpoints/${name}/`]);
    grantListing(role, artifacts, [`endpoints/${name}/`]);
    grantImagePull(role, servingImage);
    explainWildcard(
      role,
      'Resource::*',
      'PutMetricData and GetAuthorizationToken know no resources; the namespace is fixed',
    );
    explainWildcard(role, `-????????-??????:*`, "SageMaker names the endpoint's log streams");
    grantActions(
      role,
      [
        'logs:CreateLogGroup',
        'logs:CreateLogStream',
        'logs:PutLogEvents',
        'logs:DescribeLogStreams',
      ],
      [this.logGroups(name)],
    );
    role.addToPolicy(
      new PolicyStatement({
        actions: ['cloudwatch:PutMetricData'],
        resources: ['*'],
        conditions: { StringEquals: { 'cloudwatch:namespace': '/aws/sagemaker/Endpoints' } },
      }),
    );
    return role;
  }

  private logGroups(model: string): string {
    const { account, partition, region } = Stack.of(this);
    return `arn:${partition}:logs:${region}:${account}:log-group:/aws/sagemaker/Endpoints/${model}-????????-??????:*`;
  }

  private grantDeployment(props: ModelEndpointsProps, servingRole: Role): void {
    const { artifacts } = props;
    const { name } = props.model;
    const step = this.deployCandidate;
    const create = (what: string, kinds: string[]) =>
      grantActions(
        step,
        [`sagemaker:Create${what}`],
        kinds.map((kind) => endpointArn(this, kind, name)),
      );
    create('Model', ['model']);
    create('EndpointConfig', ['endpoint-config']);
    create('Endpoint', ['endpoint', 'endpoint-config']);
    const kinds = ['model', 'endpoint-config', 'endpoint'];
    grantActions(
      step,
      ['sagemaker:AddTags'],
      kinds.map((kind) => endpointArn(this, kind, name)),
    );
    grantActions(step, ['sagemaker:DescribeEndpoint'], [endpointArn(this, 'endpoint', name)]);
    step.addToRolePolicy(
      new PolicyStatement({
        actions: ['iam:PassRole'],
        resources: [servingRole.roleArn],
        conditions: { StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' } },
      }),
    );
    grantActions(step, ['logs:CreateLogGroup', 'logs:PutRetentionPolicy'], [this.logGroups(name)]);
    explainWildcard(step, `-????????-??????:*`, "SageMaker names the endpoint's log streams");
    // What failed is removed before it is tried again.
    grantEndpointRemoval(step, props);
    const sources = [`jobs/${name}/`, `models/${name}/`];
    grantObjects(step, artifacts, ['read'], [...sources, `endpoints/${name}/`]);
    grantObjects(step, artifacts, ['write'], [`endpoints/${name}/`]);
    grantListing(step, artifacts, sources);
  }
}
