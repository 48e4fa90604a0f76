import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import {
  Chain,
  Choice,
  Condition,
  DefinitionBody,
  Fail,
  type IChainable,
  JsonPath,
  LogLevel,
  type State,
  StateMachine,
  Succeed,
  TaskInput,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import { Construct } from 'constructs';
import { explainWildcard } from '../runtime/waivers.ts';
import type { PipelineName } from './pipeline-name.ts';
import type { TrainingJob } from './training-job.ts';

export interface PipelineSteps {
  readonly awaitQuiet: IFunction;
  readonly takeSnapshot: IFunction;
  readonly validateSnapshot: IFunction;
  readonly quarantineFiles: IFunction;
  readonly planTraining: IFunction;
  readonly buildFeatures: IFunction;
  /** Only where containers answer. */
  readonly deployCandidate?: IFunction | undefined;
  readonly measureCandidate: IFunction;
  readonly evaluateCandidate: IFunction;
  readonly registerVersion: IFunction;
  readonly stageVersion: IFunction;
  readonly promoteVersion: IFunction;
  readonly finishRun: IFunction;
}

export interface TrainingPipelineProps {
  readonly name: PipelineName;
  readonly steps: PipelineSteps;
  readonly job: TrainingJob;
  readonly logRetention: RetentionDays;
}

type Payload = Record<string, unknown>;
const runId = JsonPath.stringAt('$.runId');
const trainingId = JsonPath.stringAt('$.plan.trainingId');
const snapshot = (field: string): string => JsonPath.stringAt(`$.snapshot.${field}`);
const feature = (field: string): string => JsonPath.stringAt(`$.features.${field}`);
const version = JsonPath.numberAt('$.registration.version');
const isImport = Condition.isPresent('$.import');
const judged: Payload = {
  runId,
  trainingId,
  evaluationKey: JsonPath.stringAt('$.evaluation.evaluationKey'),
};
const rejected: Payload = {
  ...judged,
  outcome: 'rejected',
  reasons: JsonPath.listAt('$.evaluation.reasons'),
};
const modelArtifacts = JsonPath.stringAt('$.train.ModelArtifacts');
const quarantined: Payload = {
  runId,
  outcome: 'quarantined',
  reasons: JsonPath.array(JsonPath.format('see {}', JsonPath.stringAt('$.quarantine.reportKey'))),
};

/**
 * A model's pipeline: from what lies in landing to the version that is live. Expected outcomes are
 * chosen on; a failed state fails the run. Input is {runId, model, trigger, from?, import?}: with `from`, the
 * run enters at that state and the rest of the input is what the state had; a name that is no state's fails.
 * With `import`, a file that somebody brought along takes the place of a training.
 */
export class TrainingPipeline extends Construct {
  readonly stateMachine: StateMachine;
  private readonly steps: PipelineSteps;
  /** The states that a retry can enter at: every one that does something. */
  private readonly entrances: State[] = [];
  private ended?: Succeed;
  private readonly buildFeatures: LambdaInvoke;

  constructor(scope: Construct, id: string, props: TrainingPipelineProps) {
    super(scope, id);
    this.steps = props.steps;
    this.buildFeatures = this.task('BuildFeatures', props.steps.buildFeatures, '$.features', {
      runId,
      snapshotId: snapshot('snapshotId'),
      manifestKey: snapshot('manifestKey'),
    });
    this.stateMachine = new StateMachine(this, 'StateMachine', {
      stateMachineName: props.name.stateMachineName,
      definitionBody: DefinitionBody.fromChainable(this.definition(props.job)),
      timeout: Duration.days(29),
      tracingEnabled: true,
      logs: {
        destination: new LogGroup(this, 'Logs', {
          retention: props.logRetention,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
        level: LogLevel.ALL,
        includeExecutionData: true,
      },
    });
    props.job.grantRun(this.stateMachine.role);
    const explain = (ending: string, reason: string) =>
      explainWildcard(this.stateMachine.role, ending, reason);
    explain('.Arn>:*', 'a step is invoked in any of its versions');
    explain('Resource::*', 'log delivery and X-Ray know no resources');
  }

  private definition(job: TrainingJob): IChainable {
    const gate = this.gate(this.delivery());
    const convert = this.convertImport(job, gate);
    const first = this.datasets(this.training(job, gate, convert), this.importing(convert));
    const entry = new Choice(this, 'EnterAt', {
      comment: 'A retry enters where the failed run left',
    });
    for (const state of this.entrances) {
      entry.when(
        Condition.and(Condition.isPresent('$.from'), Condition.stringEquals('$.from', state.id)),
        state,
      );
    }
    return Chain.start(
      entry.when(Condition.isPresent('$.from'), this.unknownState()).otherwise(first),
    );
  }

  /** Starting over would not be what was asked for. */
  private unknownState(): Fail {
    const entrances = this.entrances.map(({ id }) => id).join(', ');
    return new Fail(this, 'UnknownState', {
      comment: 'A retry names a state that there is not, or no longer',
      error: 'UnknownState',
      causePath: JsonPath.format(
        `there is no state {} to enter at; there is ${entrances}. Start a new run, or retry the run before this one from one of them`,
        JsonPath.stringAt('$.from'),
      ),
    });
  }

  /** From the drop to data that holds its rules; what does not is put aside and looked at no more. */
  private datasets(planTraining: State, planImport: State): State {
    const { steps } = this;
    const awaitQuiet = this.task('AwaitQuiet', steps.awaitQuiet, '$.quiet', { runId });
    const takeSnapshot = this.task('TakeSnapshot', steps.takeSnapshot, '$.snapshot', { runId });
    const validate = this.task('ValidateSnapshot', steps.validateSnapshot, '$.validation', {
      runId,
      manifestKey: snapshot('manifestKey'),
    });
    const quarantine = this.task('QuarantineFiles', steps.quarantineFiles, '$.quarantine', {
      runId,
      reportKey: JsonPath.stringAt('$.validation.reportKey'),
    });
    const wait = new Wait(this, 'WaitForQuiet', { time: WaitTime.duration(Duration.seconds(5)) });
    awaitQuiet.next(
      new Choice(this, 'IsQuiet')
        .when(Condition.booleanEquals('$.quiet.settled', true), takeSnapshot)
        .otherwise(wait.next(awaitQuiet)),
    );
    const isEmpty = Condition.stringEquals('$.snapshot.outcome', 'empty');
    takeSnapshot.next(
      new Choice(this, 'IsThereData')
        .when(Condition.and(isEmpty, isImport), planImport)
        .when(
          Condition.and(isEmpty, Condition.isPresent('$.quarantine')),
          this.finish('FinishQuarantinedAll', quarantined),
        )
        .when(isEmpty, this.finish('FinishNoData', { runId, outcome: 'no_data' }))
        .otherwise(validate),
    );
    const isValid = Condition.stringEquals('$.validation.outcome', 'valid');
    validate.next(
      new Choice(this, 'IsDataValid')
        .when(Condition.and(isValid, isImport), planImport)
        .when(isValid, planTraining)
        .otherwise(quarantine.next(takeSnapshot)),
    );
    return awaitQuiet;
  }

  /** From valid data to a candidate. */
  private training(job: TrainingJob, measureCandidate: State, convertImport: State): State {
    const { steps } = this;
    const planTraining = this.task('PlanTraining', steps.planTraining, '$.plan', {
      runId,
      contentHash: snapshot('contentHash'),
      rows: JsonPath.numberAt('$.snapshot.rows'),
    });
    const train = job.state('Train');
    this.entrances.push(train);
    planTraining.next(
      new Choice(this, 'IsToTrain')
        .when(Condition.stringEquals('$.plan.decision', 'train'), this.buildFeatures)
        .when(
          Condition.and(
            Condition.isPresent('$.quarantine'),
            Condition.or(
              Condition.stringEquals('$.plan.decision', 'unchanged'),
              Condition.booleanEquals('$.plan.isFresh', false),
            ),
          ),
          this.finish('FinishQuarantined', quarantined),
        )
        .when(
          Condition.stringEquals('$.plan.decision', 'collected'),
          this.finish('FinishCollected', {
            runId,
            outcome: 'collected',
            reasons: JsonPath.listAt('$.plan.reasons'),
            trainingId,
          }),
        )
        .otherwise(this.finish('FinishUnchanged', { runId, outcome: 'unchanged', trainingId })),
    );
    train.next(measureCandidate);
    this.buildFeatures.next(
      new Choice(this, 'IsImport').when(isImport, convertImport).otherwise(train),
    );
    return planTraining;
  }

  /** A file takes the place of a training: the trainer's sandbox makes a candidate of it. */
  private convertImport(job: TrainingJob, measureCandidate: State): State {
    const convert = job.importState('ConvertImport');
    this.entrances.push(convert);
    convert.next(measureCandidate);
    return convert;
  }

  /** From a file to what its conversion needs: features of the data that there is, else their form alone. */
  private importing(convertImport: State): State {
    const { steps } = this;
    const plan = this.task('PlanImport', steps.planTraining, '$.plan', {
      runId,
      import: JsonPath.objectAt('$.import'),
    });
    const describe = this.task('DescribeFeatures', steps.buildFeatures, '$.features', {
      runId,
      importId: trainingId,
    });
    describe.next(convertImport);
    const isNew = Condition.stringEquals('$.plan.decision', 'train');
    plan.next(
      new Choice(this, 'IsToConvert')
        .when(Condition.and(isNew, Condition.stringEquals('$.snapshot.outcome', 'empty')), describe)
        .when(isNew, this.buildFeatures)
        .otherwise(
          this.finish('FinishImported', {
            runId,
            outcome: 'unchanged',
            trainingId,
            imported: true,
          }),
        ),
    );
    return plan;
  }

  /** From a candidate to a version with what the gate says of it; what has no metrics becomes none. */
  private gate(stageVersion: State): State {
    const { endpoint, steps } = this;
    const measure = this.task('MeasureCandidate', steps.measureCandidate, '$.measurement', {
      runId,
      modelArtifacts,
      featuresKey: feature('featuresKey'),
      signatureKey: feature('signatureKey'),
      instancesKey: feature('instancesKey'),
      ...endpoint,
    });
    const evaluate = this.task('EvaluateCandidate', steps.evaluateCandidate, '$.evaluation', {
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
      new Choice(this, 'IsCandidateMeasured')
        .when(Condition.and(isMeasured, isImport), registerImport)
        .when(isMeasured, register)
        .otherwise(this.finish('FinishUnmeasured', rejected)),
    );
    const isGoodEnough = new Choice(this, 'IsCandidateGoodEnough')
      .when(Condition.stringEquals('$.evaluation.outcome', 'passed'), stageVersion)
      .otherwise(this.finish('FinishRejected', { ...rejected, version }));
    register.next(isGoodEnough);
    registerImport.next(isGoodEnough);
    measure.next(
      new Choice(this, 'IsThereHoldout')
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
    const deploy = this.task('DeployCandidate', deployCandidate, '$.deployment', {
      endpointName: JsonPath.stringAt('$.train.TrainingJobName'),
      modelArtifacts,
    });
    const wait = new Wait(this, 'WaitForEndpoint', {
      time: WaitTime.duration(Duration.seconds(5)),
    });
    deploy.next(
      new Choice(this, 'IsDeployed')
        .when(Condition.stringEquals('$.deployment.outcome', 'deployed'), measureCandidate)
        .otherwise(wait.next(deploy)),
    );
    return deploy;
  }

  /** Without a holdout, the gate asks what can be asked without rows. */
  private evaluateImport(): LambdaInvoke {
    return this.task('EvaluateImport', this.steps.evaluateCandidate, '$.evaluation', {
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
    return this.task('RegisterImport', this.steps.registerVersion, '$.registration');
  }

  private registerVersion(): LambdaInvoke {
    return this.task('RegisterVersion', this.steps.registerVersion, '$.registration', {
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

  /** From a version to the one that answers. */
  private delivery(): State {
    const { steps } = this;
    const stage = this.task('StageVersion', steps.stageVersion, '$.staged', { runId, version });
    const promote = this.task('PromoteVersion', steps.promoteVersion, '$.live', { runId, version });
    const endsAs = (step: string) => ({
      ...judged,
      outcome: JsonPath.stringAt(`$.${step}.outcome`),
      reasons: JsonPath.listAt(`$.${step}.reasons`),
      version,
    });
    stage.next(
      new Choice(this, 'MayGoLive')
        .when(Condition.stringEquals('$.staged.outcome', 'staged'), promote)
        .otherwise(this.finish('FinishStaged', endsAs('staged'))),
    );
    promote.next(
      new Choice(this, 'IsLive')
        .when(
          Condition.stringEquals('$.live.outcome', 'live'),
          this.finish('FinishLive', { ...judged, outcome: 'live', version }),
        )
        .otherwise(this.finish('FinishNotLive', endsAs('live'))),
    );
    return stage;
  }

  /** A run's last step: its outcome is recorded and the lock freed. */
  private finish(id: string, payload: Payload): Chain {
    this.ended ??= new Succeed(this, 'Ended');
    return this.task(id, this.steps.finishRun, '$.finish', payload).next(this.ended);
  }

  /** A step, with the payload, or else with all that the run knows. */
  private task(id: string, step: IFunction, resultPath: string, payload?: Payload): LambdaInvoke {
    const task = new LambdaInvoke(this, id, {
      lambdaFunction: step,
      payload: payload ? TaskInput.fromObject(payload) : TaskInput.fromJsonPathAt('$'),
      payloadResponseOnly: true,
      resultPath,
    });
    this.entrances.push(task);
    // The account's concurrency was used up: a young account has 10 for all its functions.
    task.addRetry({
      errors: ['Lambda.TooManyRequestsException'],
      interval: Duration.seconds(2),
      maxAttempts: 8,
      backoffRate: 2,
    });
    // The function's environment died under it: every step can be run again.
    task.addRetry({
      errors: ['Runtime.ExitError', 'Lambda.Unknown'],
      interval: Duration.seconds(1),
      maxAttempts: 2,
      backoffRate: 2,
    });
    return task;
  }
}
