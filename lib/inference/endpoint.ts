import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnDeliveryStream } from 'aws-cdk-lib/aws-kinesisfirehose';
import type { ILayerVersion } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, LogStream } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { type Measurement, usdPerLambdaMs } from '../../core/inference/measurement.ts';
import type { PredictionCacheSettings } from '../../core/inference/prediction-cache-settings.ts';
import type { ServingSection } from '../../core/model/serving-section.ts';
import { MeasureCandidateEnvironment } from '../../lambdas/inference/measure-candidate.contract.ts';
import { PredictEnvironment } from '../../lambdas/inference/predict.contract.ts';
import { grantEndpointUse } from '../runtime/endpoint-grants.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import {
  grantListing,
  grantObjects,
  grantRegistry,
  type ModelContext,
} from '../runtime/model-context.ts';
import type { SharedCacheAccess } from './shared-cache.ts';

export interface EndpointProps extends ModelContext {
  readonly predictionLogBufferSeconds: number;
  /** Of a model that asks for a cache, where its environment has one to share. */
  readonly sharedCache?: SharedCacheAccess;
}

/** Of a function that checks requests and has a container compute the answers. */
const askingMemoryMb = 1_024;

/** The size of the tasks that would serve a candidate; empty where none do. */
function taskOf(serving: ServingSection): string {
  if (serving.target !== 'ecs') return '';
  const { memoryMb, vcpu } = serving;
  return JSON.stringify({ vcpu, memoryMb } satisfies Measurement['task']);
}

/**
 * Of the function that answers, or that measures a candidate for tasks: about as much processor as they have, of
 * which Lambda gives one for 1,769 MB.
 */
function functionMemoryMb({ model: { serving }, pipelineMemoryMb }: EndpointProps): number {
  if (serving.target === 'lambda') return serving.memoryMb;
  if (serving.target === 'container') return askingMemoryMb;
  return Math.min(serving.memoryMb, serving.vcpu * 2_048, pipelineMemoryMb);
}

/**
 * One model's endpoint: the function that answers, the stream that keeps its predictions, and the pipeline's
 * step that measures a candidate in a function like the one that would serve it.
 */
export class Endpoint extends Construct {
  readonly predict: HandlerFunction<typeof PredictEnvironment>;
  readonly measureCandidate: HandlerFunction<typeof MeasureCandidateEnvironment>;

  constructor(scope: Construct, id: string, props: EndpointProps) {
    super(scope, id);
    const { artifacts, model, registry } = props;
    const log = this.predictionLog(props);
    const memoryMb = functionMemoryMb(props);
    const serving = { ...props, layers: [props.onnxruntime], memoryMb };
    this.predict = new HandlerFunction(this, 'Predict', {
      ...serving,
      entry: 'inference/predict',
      contract: PredictEnvironment,
      // API Gateway gives up after 29 s; ours ends first and says why.
      timeout: Duration.seconds(25),
      environment: {
        MODEL_NAME: model.name,
        REGISTRY_TABLE: registry.tableName,
        ARTIFACTS_BUCKET: artifacts.bucketName,
        PREDICTION_STREAM: log.ref,
        PREDICTION_CACHE: this.cacheSettings(props),
      },
      network: props.sharedCache?.elasticache?.network,
    });
    const elasticache = props.sharedCache?.elasticache;
    if (elasticache) {
      this.predict.addToRolePolicy(
        new PolicyStatement({
          actions: ['elasticache:Connect'],
          resources: [elasticache.cacheArn, elasticache.userArn],
        }),
      );
    }
    grantObjects(this.predict, artifacts, ['read'], [`models/${model.name}/`]);
    grantListing(this.predict, artifacts, [`models/${model.name}/`]);
    grantRegistry(this.predict, registry, 'read');
    grantEndpointUse(this.predict, model.name);
    this.predict.addToRolePolicy(
      new PolicyStatement({
        actions: ['firehose:PutRecordBatch'],
        resources: [log.attrArn],
      }),
    );
    this.measureCandidate = this.measuringFunction(serving);
  }

  private measuringFunction(
    serving: EndpointProps & { readonly layers: ILayerVersion[]; readonly memoryMb: number },
  ): HandlerFunction<typeof MeasureCandidateEnvironment> {
    const { artifacts, data, model } = serving;
    const measure = new HandlerFunction(this, 'MeasureCandidate', {
      ...serving,
      entry: 'inference/measure-candidate',
      contract: MeasureCandidateEnvironment,
      timeout: Duration.minutes(5),
      environment: {
        MODEL_NAME: model.name,
        DATA_BUCKET: data.bucketName,
        ARTIFACTS_BUCKET: artifacts.bucketName,
        CONTAINER_MEMORY_MB:
          model.serving.target === 'container' ? String(model.serving.memoryMb) : '',
        TASK: taskOf(model.serving),
      },
    });
    if (model.serving.target === 'container') grantEndpointUse(measure, model.name);
    grantObjects(measure, artifacts, ['read'], [`jobs/${model.name}/`]);
    grantListing(measure, artifacts, [`jobs/${model.name}/`]);
    grantObjects(measure, data, ['read'], [`features/${model.name}/`]);
    return measure;
  }

  private cacheSettings({ model, sharedCache }: EndpointProps): string {
    if (model.serving.target !== 'lambda' || !model.serving.cache) return '';
    const usdPerMs = usdPerLambdaMs(model.serving.memoryMb);
    const cache: PredictionCacheSettings = { ...model.serving.cache, usdPerMs };
    if (!sharedCache) return JSON.stringify(cache);
    const { host, port, elasticache } = sharedCache;
    const iam = elasticache && { cacheName: elasticache.cacheName, user: elasticache.user };
    const settings: PredictionCacheSettings = {
      ...cache,
      valkey: { host, port, ...(iam ? { iam } : {}) },
    };
    return Stack.of(this).toJsonString(settings);
  }

  /** predictions/<model>/dt=…/hour=…/: JSON Lines, gathered for some seconds before they are written. */
  private predictionLog({
    data,
    model,
    logRetention,
    predictionLogBufferSeconds,
  }: EndpointProps): CfnDeliveryStream {
    const role = new Role(this, 'PredictionLogRole', {
      assumedBy: new ServicePrincipal('firehose.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    });
    grantObjects(
      role,
      data,
      ['write'],
      [`predictions/${model.name}/`, `predictions-failed/${model.name}/`],
    );
    grantListing(role, data, [`predictions/${model.name}/`, `predictions-failed/${model.name}/`]);
    role.addToPolicy(
      new PolicyStatement({
        actions: ['s3:GetBucketLocation', 's3:ListBucketMultipartUploads'],
        resources: [data.bucketArn],
      }),
    );
    const failures = new LogGroup(this, 'PredictionLogFailures', {
      retention: logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const { logStreamName } = new LogStream(this, 'PredictionLogDelivery', {
      logGroup: failures,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    failures.grant(role, 'logs:PutLogEvents');
    const log = new CfnDeliveryStream(this, 'PredictionLog', {
      deliveryStreamType: 'DirectPut',
      deliveryStreamEncryptionConfigurationInput: { keyType: 'AWS_OWNED_CMK' },
      extendedS3DestinationConfiguration: {
        bucketArn: data.bucketArn,
        roleArn: role.roleArn,
        prefix: `predictions/${model.name}/dt=!{timestamp:yyyy-MM-dd}/hour=!{timestamp:HH}/`,
        errorOutputPrefix: `predictions-failed/${model.name}/!{firehose:error-output-type}/`,
        bufferingHints: { intervalInSeconds: predictionLogBufferSeconds, sizeInMBs: 64 },
        compressionFormat: 'UNCOMPRESSED',
        cloudWatchLoggingOptions: {
          enabled: true,
          logGroupName: failures.logGroupName,
          logStreamName,
        },
      },
    });
    log.node.addDependency(role);
    return log;
  }
}
