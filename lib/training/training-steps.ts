import { Duration, Size } from 'aws-cdk-lib';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { AwaitQuietEnvironment } from '../../lambdas/training/await-quiet.contract.ts';
import { EvaluateCandidateEnvironment } from '../../lambdas/training/evaluate-candidate.contract.ts';
import { FinishRunEnvironment } from '../../lambdas/training/finish-run.contract.ts';
import { PlanTrainingEnvironment } from '../../lambdas/training/plan-training.contract.ts';
import { grantEndpointRemoval, grantEndpointUse } from '../runtime/endpoint-grants.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import {
  grantListing,
  grantNotifications,
  grantObjects,
  grantRegistry,
  grantVerdicts,
  type ModelContext,
  notificationVariables,
} from '../runtime/model-context.ts';
import { grantJobCosts } from './training-job.ts';

export interface TrainingStepsProps extends ModelContext {
  readonly trainerSha256: string;
  readonly trainingImage: string;
  readonly trainingDevice: 'cpu' | 'cuda';
  readonly stateMachineArn: string;
}

/** The pipeline's steps around a training: wait for quiet, plan, evaluate, finish. */
export class TrainingSteps extends Construct {
  readonly awaitQuiet: HandlerFunction<typeof AwaitQuietEnvironment>;
  readonly planTraining: HandlerFunction<typeof PlanTrainingEnvironment>;
  readonly evaluateCandidate: HandlerFunction<typeof EvaluateCandidateEnvironment>;
  readonly finishRun: HandlerFunction<typeof FinishRunEnvironment>;

  constructor(scope: Construct, id: string, props: TrainingStepsProps) {
    super(scope, id);
    const { artifacts, data, registry } = props;
    const { name } = props.model;

    this.awaitQuiet = new HandlerFunction(this, 'AwaitQuiet', {
      ...props,
      entry: 'training/await-quiet',
      contract: AwaitQuietEnvironment,
      environment: { REGISTRY_TABLE: registry.tableName, MODEL_NAME: name },
    });
    grantRegistry(this.awaitQuiet, registry, 'write');

    this.planTraining = new HandlerFunction(this, 'PlanTraining', {
      ...props,
      entry: 'training/plan-training',
      contract: PlanTrainingEnvironment,
      environment: {
        REGISTRY_TABLE: registry.tableName,
        ARTIFACTS_BUCKET: artifacts.bucketName,
        TRAINER_SHA256: props.trainerSha256,
        TRAINING_IMAGE: props.trainingImage,
        TRAINING_DEVICE: props.trainingDevice,
      },
    });
    grantRegistry(this.planTraining, registry, 'write');

    this.evaluateCandidate = new HandlerFunction(this, 'EvaluateCandidate', {
      ...props,
      entry: 'training/evaluate-candidate',
      contract: EvaluateCandidateEnvironment,
      layers: [props.onnxruntime, props.duckdb],
      memoryMb: props.pipelineMemoryMb,
      timeout: Duration.minutes(15),
      temporaryStorage: Size.gibibytes(4),
      environment: {
        DATA_BUCKET: data.bucketName,
        ARTIFACTS_BUCKET: artifacts.bucketName,
        REGISTRY_TABLE: registry.tableName,
        TRAINER_SHA256: props.trainerSha256,
        TRAINING_IMAGE: props.trainingImage,
      },
    });
    // The live version answers the same rows: its artifacts, and what it was trained on.
    const origins = [`features/${name}/`, `snapshots/${name}/`];
    const models = [`jobs/${name}/`, `models/${name}/`];
    grantRegistry(this.evaluateCandidate, registry, 'read');
    grantEndpointUse(this.evaluateCandidate, name);
    grantObjects(this.evaluateCandidate, data, ['read'], origins);
    grantListing(this.evaluateCandidate, data, origins);
    grantObjects(this.evaluateCandidate, artifacts, ['read'], models);
    grantObjects(this.evaluateCandidate, artifacts, ['write'], [`jobs/${name}/`]);
    grantListing(this.evaluateCandidate, artifacts, models);

    this.finishRun = new HandlerFunction(this, 'FinishRun', {
      ...props,
      entry: 'training/finish-run',
      contract: FinishRunEnvironment,
      timeout: Duration.minutes(5),
      environment: {
        REGISTRY_TABLE: registry.tableName,
        DATA_BUCKET: data.bucketName,
        ARTIFACTS_BUCKET: artifacts.bucketName,
        STATE_MACHINE_ARN: props.stateMachineArn,
        ...notificationVariables(props),
      },
    });
    const ofTheRun = [`jobs/${name}/`, `checkpoints/${name}/`];
    grantRegistry(this.finishRun, registry, 'write and delete');
    grantJobCosts(this.finishRun, name);
    grantEndpointRemoval(this.finishRun, props);
    grantListing(this.finishRun, artifacts, ofTheRun);
    grantObjects(this.finishRun, artifacts, ['delete'], ofTheRun);
    grantObjects(this.finishRun, artifacts, ['read'], [`jobs/${name}/`]);
    grantVerdicts(this.finishRun, props);
    grantNotifications(this.finishRun, props);
    this.finishRun.addToRolePolicy(
      new PolicyStatement({
        actions: ['states:StartExecution'],
        resources: [props.stateMachineArn],
      }),
    );
  }
}
