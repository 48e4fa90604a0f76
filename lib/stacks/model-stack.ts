import { Stack, type StackProps } from 'aws-cdk-lib';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { StringParameter } from 'aws-cdk-lib/aws-ssm';
import type { Construct } from 'constructs';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { sourcesOf } from '../../core/model/sources.ts';
import type { LineagePolicy } from '../../core/registry/declared-lineage.ts';
import { DatasetSteps } from '../datasets/dataset-steps.ts';
import { DeliverySteps } from '../delivery/delivery-steps.ts';
import { FeatureSteps } from '../features/feature-steps.ts';
import { BatchScoring } from '../inference/batch-scoring.ts';
import { Endpoint } from '../inference/endpoint.ts';
import { EventStream } from '../inference/event-stream.ts';
import type { CallerAuth, ModelRoutes } from '../inference/inference-api.ts';
import { ModelEndpoints } from '../inference/model-endpoints.ts';
import type { TaskImages } from '../inference/model-service.ts';
import type { SharedCacheAccess } from '../inference/shared-cache.ts';
import type { TaskHostingAccess } from '../inference/task-hosting.ts';
import { DriftCheck } from '../monitoring/drift-check.ts';
import { Feedback } from '../monitoring/feedback.ts';
import { LabelJoining } from '../monitoring/label-joining.ts';
import { ModelAlarms } from '../monitoring/model-alarms.ts';
import { Notifications } from '../monitoring/notifications.ts';
import { Slack } from '../monitoring/slack.ts';
import { RegistrySteps } from '../registry/registry-steps.ts';
import type { ModelContext } from '../runtime/model-context.ts';
import { nativeLayer, type Platform } from '../runtime/native-layer.ts';
import type { ModelStarter } from '../training/alarm-rule.ts';
import type { OwnPython } from '../training/own-python.ts';
import { PipelineName } from '../training/pipeline-name.ts';
import { RunControl } from '../training/run-control.ts';
import type { TrainingImages } from '../training/training-image.ts';
import { TrainingJob } from '../training/training-job.ts';
import { TrainingPipeline } from '../training/training-pipeline.ts';
import { TrainingSteps } from '../training/training-steps.ts';
import type { StateStack } from './state-stack.ts';

export interface ModelStackProps extends StackProps {
  readonly environment: string;
  readonly model: ModelDefinition;
  readonly state: StateStack;
  readonly platform: Platform;
  readonly logRetention: RetentionDays;
  readonly trainingImages: TrainingImages;
  /** Only of a model with its own train.py. */
  readonly ownPython?: OwnPython | undefined;
  /** Address of what the container runs; only of a model that containers answer. */
  readonly servingImage?: string | undefined;
  readonly quietPeriodSeconds: number;
  /** Whether imported versions are taken. */
  readonly lineage: LineagePolicy;
  readonly predictionLogBufferSeconds: number;
  /** Only of a model that asks for a cache. */
  readonly sharedCache?: SharedCacheAccess | undefined;
  /** Only in an environment with models that are served by tasks. */
  readonly hosting?: TaskHostingAccess | undefined;
  readonly taskImages: TaskImages;
  readonly auth: CallerAuth['auth'];
  readonly driftCheckMinutes: number;
  readonly alarmPeriodMinutes: number;
  /** Whether its Slack channel also hears of what concerns no one model. */
  readonly tellsSlackOfEnvironment: boolean;
  readonly pipelineMemoryMb: number;
}

/** One model, from drop to answer. */
export class ModelStack extends Stack {
  readonly routes: ModelRoutes;
  /** What the environment's monitoring needs of the model. */
  readonly monitored: ModelStarter;

  constructor(scope: Construct, id: string, props: ModelStackProps) {
    super(scope, id, props);
    const { model, state, platform } = props;
    const notifications = new Notifications(this, 'Notifications', {
      notificationsKey: state.notificationsKey,
      email: model.monitoring.email,
    });
    const context: ModelContext = {
      model,
      data: state.buckets.data,
      artifacts: state.buckets.artifacts,
      registry: state.registry.table,
      notifications,
      notificationsKey: state.notificationsKey,
      // By its address: who may send is said where the queue is, once for the environment.
      deadLetters: Queue.fromQueueArn(this, 'DeadLetters', state.deadLetters.queueArn),
      onnxruntime: nativeLayer(this, 'OnnxRuntime', 'onnxruntime', platform),
      duckdb: nativeLayer(this, 'DuckDb', 'duckdb', platform),
      logRetention: props.logRetention,
      pipelineMemoryMb: props.pipelineMemoryMb,
      cpu: platform.cpu,
    };
    const name = new PipelineName(this, props.environment, model.name);
    const job = new TrainingJob(this, 'TrainingJob', {
      ...context,
      trainingImages: props.trainingImages,
      ownPython: props.ownPython,
    });
    const training = {
      ...context,
      trainerSha256: job.trainerSha256,
      trainingImage: job.image,
      trainingDevice: job.device,
      stateMachineName: name.stateMachineName,
      stateMachineArn: name.stateMachineArn,
      executionsArn: name.executionsArn,
      quietPeriodSeconds: props.quietPeriodSeconds,
      environment: props.environment,
      lineage: props.lineage,
      driftCheckMinutes: props.driftCheckMinutes,
    };
    const datasets = new DatasetSteps(this, 'Datasets', context);
    const features = new FeatureSteps(this, 'Features', context);
    const steps = new TrainingSteps(this, 'Training', training);
    const registry = new RegistrySteps(this, 'Registry', training);
    const delivery = new DeliverySteps(this, 'Delivery', context);
    const endpoint = new Endpoint(this, 'Endpoint', {
      ...context,
      predictionLogBufferSeconds: props.predictionLogBufferSeconds,
      sharedCache: props.sharedCache,
      hosting: props.hosting,
      taskImages: props.taskImages,
      platform,
      auth: props.auth,
    });
    const { serving } = model;
    const { servingImage } = props;
    const endpoints =
      serving.target === 'container' && servingImage !== undefined
        ? new ModelEndpoints(this, 'Endpoints', { ...context, serving, servingImage })
        : undefined;
    const stream = serving.streaming
      ? new EventStream(this, 'EventStream', {
          ...context,
          environment: props.environment,
          namePrefix: name.stateMachineName,
          streaming: serving.streaming,
          predictionLog: endpoint.predictionLog,
        })
      : undefined;
    const pipeline = new TrainingPipeline(this, 'Pipeline', {
      name,
      job,
      logRetention: props.logRetention,
      steps: {
        awaitQuiet: steps.awaitQuiet,
        takeSnapshot: datasets.takeSnapshot,
        validateSnapshot: datasets.validateSnapshot,
        quarantineFiles: datasets.quarantineFiles,
        planTraining: steps.planTraining,
        buildFeatures: features.buildFeatures,
        deployCandidate: endpoints?.deployCandidate,
        measureCandidate: endpoint.measureCandidate,
        evaluateCandidate: steps.evaluateCandidate,
        registerVersion: registry.registerVersion,
        stageVersion: delivery.stageVersion,
        promoteVersion: delivery.promoteVersion,
        finishRun: steps.finishRun,
      },
    });
    const control = new RunControl(this, 'RunControl', training);
    const batch = new BatchScoring(this, 'Batch', {
      ...context,
      // No model has this name: theirs have no underscore.
      stateMachineName: `${name.stateMachineName}_batch`,
    });
    const feedback = new Feedback(this, 'Feedback', context);
    new LabelJoining(this, 'Labels', {
      ...context,
      predictionLogBufferSeconds: props.predictionLogBufferSeconds,
      driftCheckMinutes: props.driftCheckMinutes,
    });
    const { driftCheckMinutes, alarmPeriodMinutes } = props;
    new DriftCheck(this, 'Drift', { ...context, driftCheckMinutes });
    new ModelAlarms(this, 'Alarms', {
      ...context,
      driftCheckMinutes,
      alarmPeriodMinutes,
      alarmPrefix: name.stateMachineName,
      predict: model.serving.target === 'ecs' ? undefined : endpoint.predict,
    });
    const { slackWebhookParameter: webhookParameter } = model.monitoring;
    if (webhookParameter !== undefined) {
      const { news, pages } = notifications;
      const topics = props.tellsSlackOfEnvironment ? [news, pages, state.pages] : [news, pages];
      new Slack(this, 'Slack', { ...context, webhookParameter, topics });
    }
    this.routes = {
      model: model.name,
      answers: endpoint.answers,
      receiveFeedback: feedback.receiveFeedback,
    };
    this.monitored = { model: model.name, requestRun: control.requestRun };
    this.publish(props.environment, model.name, {
      'state-machine-arn': pipeline.stateMachine.stateMachineArn,
      'batch-state-machine-arn': batch.stateMachine.stateMachineArn,
      'request-run-function': control.requestRun.functionName,
      'predict-function': endpoint.predict.functionName,
      ...(endpoints && {
        'deploy-candidate-function': endpoints.deployCandidate.functionName,
      }),
      ...(stream && {
        'events-stream': stream.events.streamName,
        'results-stream': stream.results.streamName,
      }),
      'news-topic-arn': notifications.news.topicArn,
      'pages-topic-arn': notifications.pages.topicArn,
      lineage: props.lineage,
      // By which the command line sees that models/ has changed since.
      sources: JSON.stringify(sourcesOf(model, props.ownPython?.sources)),
    });
  }

  /** Where the command line finds what it talks to. */
  private publish(environment: string, model: string, parameters: Record<string, string>): void {
    for (const [name, stringValue] of Object.entries(parameters)) {
      new StringParameter(this, name, {
        parameterName: `/slipway/${environment}/models/${model}/${name}`,
        stringValue,
      });
    }
  }
}
