import { Duration } from 'aws-cdk-lib';
import {
  Choice,
  Condition,
  JsonPath,
  type State,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import type { Construct } from 'constructs';
import {
  feature,
  isImport,
  modelArtifacts,
  type Payload,
  rejected,
  runId,
  snapshot,
  trainingId,
  version,
} from './pipeline-facts.ts';
import type { PipelineSteps, PipelineTasks } from './pipeline-tasks.ts';

/** The states between a candidate and what becomes of it. */
export class CandidateGate {
  private readonly scope: Construct;
  private readonly steps: PipelineSteps;
  private readonly tasks: PipelineTasks;

  constructor(scope: Construct, steps: PipelineSteps, tasks: PipelineTasks) {
    this.scope = scope;
    this.steps = steps;
    this.tasks = tasks;
  }

  /** From a candidate to a version with what the gate says of it; what has no metrics becomes none. */
  judging(stageVersion: State): State {
    const { endpoint, steps } = this;
    const measure = this.tasks.task('MeasureCandidate', steps.measureCandidate, '$.measurement', {
      runId,
      modelArtifacts,
      featuresKey: feature('featuresKey'),
      signatureKey: feature('signatureKey'),
      instancesKey: feature('instancesKey'),
      ...endpoint,
    });
    const evaluate = this.tasks.task('EvaluateCandidate', steps.evaluateCandidate, '$.evaluation', {
      runId,
      trainingId,
      hyperparameters: JsonPath.objectAt('$.plan.hyperparameters'),
      modelArtifacts,
      manifestKey: snapshot('manifestKey'),
      builtKey: feature('builtKey'),
      holdoutKey: feature('holdoutKey'),
      holdoutRowsKey: feature('holdoutRowsKey'),
      trainUri: feature('trainUri'),
      featuresKey: feature('featuresKey'),
      signatureKey: feature('signatureKey'),
      profileKey: feature('profileKey'),
      measurement: JsonPath.objectAt('$.measurement'),
      ...endpoint,
    });
    const register = this.registerVersion();
    const registerImport = this.registerImport();
    const isMeasured = Condition.booleanEquals('$.evaluation.measured', true);
    evaluate.next(
      new Choice(this.scope, 'IsCandidateMeasured')
        .when(Condition.and(isMeasured, isImport), registerImport)
        .when(isMeasured, register)
        .otherwise(this.tasks.finish('FinishUnmeasured', rejected)),
    );
    const isGoodEnough = new Choice(this.scope, 'IsCandidateGoodEnough')
      .when(Condition.stringEquals('$.evaluation.outcome', 'passed'), stageVersion)
      .otherwise(this.tasks.finish('FinishRejected', { ...rejected, version }));
    register.next(isGoodEnough);
    registerImport.next(isGoodEnough);
    measure.next(
      new Choice(this.scope, 'IsThereHoldout')
        .when(Condition.isPresent('$.features.holdoutKey'), evaluate)
        .otherwise(this.evaluateImport().next(registerImport)),
    );
    return this.deployed(measure);
  }

  /** Of the endpoint whose container answers for the candidate; nothing where its graph does. */
  private get endpoint(): Payload {
    if (!this.steps.deployCandidate) return {};
    return { endpointName: JsonPath.stringAt('$.deployment.endpointName') };
  }

  /** Where containers answer, the candidate's endpoint is in service before it is measured. */
  private deployed(measureCandidate: State): State {
    const { deployCandidate } = this.steps;
    if (!deployCandidate) return measureCandidate;
    const deploy = this.tasks.task('DeployCandidate', deployCandidate, '$.deployment', {
      endpointName: JsonPath.stringAt('$.train.TrainingJobName'),
      modelArtifacts,
    });
    const wait = new Wait(this.scope, 'WaitForEndpoint', {
      time: WaitTime.duration(Duration.seconds(5)),
    });
    deploy.next(
      new Choice(this.scope, 'IsDeployed')
        .when(Condition.stringEquals('$.deployment.outcome', 'deployed'), measureCandidate)
        .otherwise(wait.next(deploy)),
    );
    return deploy;
  }

  /** Without a holdout, the gate asks what can be asked without rows. */
  private evaluateImport(): LambdaInvoke {
    return this.tasks.task('EvaluateImport', this.steps.evaluateCandidate, '$.evaluation', {
      runId,
      importId: trainingId,
      modelArtifacts,
      featuresKey: feature('featuresKey'),
      signatureKey: feature('signatureKey'),
      measurement: JsonPath.objectAt('$.measurement'),
      ...this.endpoint,
    });
  }

  /** It is given all that the run knows, because what there is of data differs. */
  private registerImport(): LambdaInvoke {
    return this.tasks.task('RegisterImport', this.steps.registerVersion, '$.registration');
  }

  private registerVersion(): LambdaInvoke {
    return this.tasks.task('RegisterVersion', this.steps.registerVersion, '$.registration', {
      runId,
      trainingId,
      trainingJobName: JsonPath.stringAt('$.train.TrainingJobName'),
      hyperparameters: JsonPath.objectAt('$.plan.hyperparameters'),
      modelArtifacts,
      evaluationKey: JsonPath.stringAt('$.evaluation.evaluationKey'),
      snapshotId: snapshot('snapshotId'),
      manifestKey: snapshot('manifestKey'),
      specHash: feature('specHash'),
      featuresKey: feature('featuresKey'),
      signatureKey: feature('signatureKey'),
      rows: JsonPath.objectAt('$.features.rows'),
      ...this.endpoint,
    });
  }
}
