import { Duration, Stack } from 'aws-cdk-lib';
import { type Integration, LambdaIntegration } from 'aws-cdk-lib/aws-apigateway';
import type { CfnDeliveryStream } from 'aws-cdk-lib/aws-kinesisfirehose';
import { Construct } from 'constructs';
import type { PredictionCacheSettings } from '../../core/inference/cache/prediction-cache-settings.ts';
import {
  type Measurement,
  usdPerFargateMs,
  usdPerLambdaMs,
} from '../../core/inference/measurement.ts';
import type { ServedModelSettingsInput } from '../../core/inference/server-settings.ts';
import type { EcsServing, ServingSection } from '../../core/model/serving-section.ts';
import { MeasureCandidateEnvironment } from '../../lambdas/inference/measure-candidate.contract.ts';
import { PredictEnvironment } from '../../lambdas/inference/predict.contract.ts';
import { grantActions, grantEndpointUse } from '../runtime/endpoint-grants.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import {
  grantListing,
  grantObjects,
  grantRegistry,
  type ModelContext,
} from '../runtime/model-context.ts';
import type { Platform } from '../runtime/native-layer.ts';
import { ModelService, type TaskImages } from './model-service.ts';
import { predictionLog } from './prediction-log.ts';
import type { SharedCacheAccess } from './shared-cache.ts';
import type { TaskHostingAccess } from './task-hosting.ts';
import { TasksIntegration, type TasksIntegrationProps } from './tasks-integration.ts';
import { keptWarm } from './warm-function.ts';

export interface EndpointProps extends ModelContext {
  readonly predictionLogBufferSeconds: number;
  /** Of a model that asks for a cache, where its environment has one to share. */
  readonly sharedCache?: SharedCacheAccess | undefined;
  /** Only of a model that is served by tasks. */
  readonly hosting?: TaskHostingAccess | undefined;
  readonly taskImages: TaskImages;
  readonly platform: Platform;
  /** How API Gateway finds out who calls. */
  readonly auth: TasksIntegrationProps['auth'];
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

function usdPerMsOf(serving: Exclude<ServingSection, { target: 'container' }>): number {
  if (serving.target === 'lambda') return usdPerLambdaMs(serving.memoryMb);
  return usdPerFargateMs(serving.vcpu, serving.memoryMb);
}

function cacheSettings({ model, sharedCache }: EndpointProps): PredictionCacheSettings | undefined {
  const { serving } = model;
  if (serving.target === 'container' || !serving.cache) return undefined;
  const cache: PredictionCacheSettings = { ...serving.cache, usdPerMs: usdPerMsOf(serving) };
  if (!sharedCache) return cache;
  const { host, port, elasticache } = sharedCache;
  const iam = elasticache && { cacheName: elasticache.cacheName, user: elasticache.user };
  return { ...cache, valkey: { host, port, ...(iam ? { iam } : {}) } };
}

/** What a model's endpoint connects to as its own user. */
function cacheArnsOf({ sharedCache }: EndpointProps): string[] {
  const { elasticache } = sharedCache ?? {};
  return elasticache ? [elasticache.cacheArn, elasticache.userArn] : [];
}

/**
 * One model's endpoint: the function or the tasks that answer, the stream that keeps their predictions, and the
 * pipeline's step that measures a candidate in a function like the one that would serve it.
 */
export class Endpoint extends Construct {
  /**
   * Of tasks too, though nobody asks it then: a model's stack is deployed before the API, which asks the function
   * until its own deployment, and which no stack can take it from. At rest it costs nothing.
   */
  readonly predict: HandlerFunction<typeof PredictEnvironment>;
  readonly measureCandidate: HandlerFunction<typeof MeasureCandidateEnvironment>;
  readonly predictionLog: CfnDeliveryStream;
  /** How API Gateway has a request for a path answered; a new one for each method. */
  readonly answers: (path: string) => Integration;

  constructor(scope: Construct, id: string, props: EndpointProps) {
    super(scope, id);
    const { auth, hosting, model, platform } = props;
    const { serving } = model;
    const log = predictionLog(this, props);
    this.predictionLog = log;
    this.measureCandidate = this.measuringFunction(props);
    this.predict = this.answeringFunction(props, log);
    if (serving.target !== 'ecs') {
      const asked = keptWarm(this, this.predict, serving);
      // One permission for all of the API's methods: with one for each, an API of 20 models is no stack any more.
      const integration = new LambdaIntegration(asked, { scopePermissionToMethod: false });
      this.answers = () => integration;
      return;
    }
    if (!hosting)
      throw new Error(`${model.name} is served by tasks, and was given no place for them`);
    new ModelService(this, 'Service', {
      ...props,
      serving,
      hosting,
      platform,
      images: props.taskImages,
      served: this.served(props, serving, log),
      predictionLogArn: log.attrArn,
      cacheArns: cacheArnsOf(props),
    });
    this.answers = (path) => new TasksIntegration({ hosting, path, auth });
  }

  private answeringFunction(
    props: EndpointProps,
    log: CfnDeliveryStream,
  ): HandlerFunction<typeof PredictEnvironment> {
    const { artifacts, model, registry } = props;
    const predict = new HandlerFunction(this, 'Predict', {
      ...props,
      layers: [props.onnxruntime],
      memoryMb: functionMemoryMb(props),
      entry: 'inference/predict',
      contract: PredictEnvironment,
      // API Gateway gives up after 29 s; ours ends first and says why.
      timeout: Duration.seconds(25),
      environment: {
        MODEL_NAME: model.name,
        REGISTRY_TABLE: registry.tableName,
        ARTIFACTS_BUCKET: artifacts.bucketName,
        PREDICTION_STREAM: log.ref,
        PREDICTION_LOG_SAMPLE_RATE: String(model.serving.predictionLog?.sampleRate ?? 1),
        PREDICTION_CACHE: this.cacheVariable(props),
      },
      network: props.sharedCache?.elasticache?.network,
    });
    const cacheArns = cacheArnsOf(props);
    if (cacheArns.length > 0) grantActions(predict, ['elasticache:Connect'], cacheArns);
    grantObjects(predict, artifacts, ['read'], [`models/${model.name}/`]);
    grantListing(predict, artifacts, [`models/${model.name}/`]);
    grantRegistry(predict, registry, 'read');
    grantEndpointUse(predict, model.name);
    grantActions(predict, ['firehose:PutRecordBatch'], [log.attrArn]);
    // Whether the API refers to it changes with the target, and an export in use cannot go.
    Stack.of(this).exportValue(predict.functionArn);
    return predict;
  }

  private measuringFunction(
    props: EndpointProps,
  ): HandlerFunction<typeof MeasureCandidateEnvironment> {
    const { artifacts, data, model } = props;
    const measure = new HandlerFunction(this, 'MeasureCandidate', {
      ...props,
      layers: [props.onnxruntime],
      memoryMb: functionMemoryMb(props),
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

  private cacheVariable(props: EndpointProps): string {
    const settings = cacheSettings(props);
    return settings === undefined ? '' : Stack.of(this).toJsonString(settings);
  }

  /** The model as the server's environment names it. */
  private served(props: EndpointProps, serving: EcsServing, log: CfnDeliveryStream): string {
    const { batching, predictionLog } = serving;
    const cache = cacheSettings(props);
    const served: ServedModelSettingsInput = {
      name: props.model.name,
      predictionStream: log.ref,
      batching,
      ...(cache && { cache }),
      ...(predictionLog && { predictionLog }),
    };
    return Stack.of(this).toJsonString([served]);
  }
}
