import { Duration } from 'aws-cdk-lib';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import {
  Chain,
  Choice,
  Condition,
  Fail,
  type IChainable,
  JsonPath,
  type State,
  type StateMachine,
  Wait,
  WaitTime,
} from 'aws-cdk-lib/aws-stepfunctions';
import type { LambdaInvoke } from 'aws-cdk-lib/aws-stepfunctions-tasks';
import { Construct } from 'constructs';
import { LoggedStateMachine } from '../runtime/logged-state-machine.ts';
import { CandidateGate } from './candidate-gate.ts';
import {
  isImport,
  judged,
  quarantined,
  runId,
  snapshot,
  trainingId,
  version,
} from './pipeline-facts.ts';
import type { PipelineName } from './pipeline-name.ts';
import { type PipelineSteps, PipelineTasks } from './pipeline-tasks.ts';
import type { TrainingJob } from './training-job.ts';

export interface TrainingPipelineProps {
  readonly name: PipelineName;
  readonly steps: PipelineSteps;
  readonly job: TrainingJob;
  readonly logRetention: RetentionDays;
}

/**
 * A model's pipeline: from what lies in landing to the version that is live. Expected outcomes are
 * chosen on; a failed state fails the run. Input is {runId, model, trigger, from?, import?}: with `from`, the
 * run enters at that state and the rest of the input is what the state had; a name that is no state's fails.
 * With `import`, a file that somebody brought along takes the place of a training.
 */
export class TrainingPipeline extends Construct {
  readonly stateMachine: StateMachine;
  private readonly steps: PipelineSteps;
  private readonly tasks: PipelineTasks;
  private readonly buildFeatures: LambdaInvoke;

  constructor(scope: Construct, id: string, props: TrainingPipelineProps) {
    super(scope, id);
    this.steps = props.steps;
    this.tasks = new PipelineTasks(this, props.steps.finishRun);
    this.buildFeatures = this.tasks.task('BuildFeatures', props.steps.buildFeatures, '$.features', {
      runId,
      snapshotId: snapshot('snapshotId'),
      manifestKey: snapshot('manifestKey'),
    });
    this.stateMachine = new LoggedStateMachine(this, 'StateMachine', {
      stateMachineName: props.name.stateMachineName,
      definition: this.definition(props.job),
      timeout: Duration.days(29),
      logRetention: props.logRetention,
    });
    props.job.grantRun(this.stateMachine.role);
  }

  private definition(job: TrainingJob): IChainable {
    const gate = new CandidateGate(this, this.steps, this.tasks).judging(this.delivery());
    const convert = this.convertImport(job, gate);
    const first = this.datasets(this.training(job, gate, convert), this.importing(convert));
    const entry = new Choice(this, 'EnterAt', {
      comment: 'A retry enters where the failed run left',
    });
    for (const state of this.tasks.entrances) {
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
    const entrances = this.tasks.entrances.map(({ id }) => id).join(', ');
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
    const awaitQuiet = this.tasks.task('AwaitQuiet', steps.awaitQuiet, '$.quiet', { runId });
    const takeSnapshot = this.tasks.task('TakeSnapshot', steps.takeSnapshot, '$.snapshot', {
      runId,
    });
    const validate = this.tasks.task('ValidateSnapshot', steps.validateSnapshot, '$.validation', {
      runId,
      manifestKey: snapshot('manifestKey'),
    });
    const quarantine = this.tasks.task('QuarantineFiles', steps.quarantineFiles, '$.quarantine', {
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
          this.tasks.finish('FinishQuarantinedAll', quarantined),
        )
        .when(isEmpty, this.tasks.finish('FinishNoData', { runId, outcome: 'no_data' }))
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
    const planTraining = this.tasks.task('PlanTraining', steps.planTraining, '$.plan', {
      runId,
      contentHash: snapshot('contentHash'),
      rows: JsonPath.numberAt('$.snapshot.rows'),
    });
    const train = job.state('Train');
    this.tasks.entrances.push(train);
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
          this.tasks.finish('FinishQuarantined', quarantined),
        )
        .when(
          Condition.stringEquals('$.plan.decision', 'collected'),
          this.tasks.finish('FinishCollected', {
            runId,
            outcome: 'collected',
            reasons: JsonPath.listAt('$.plan.reasons'),
            trainingId,
          }),
        )
        .otherwise(
          this.tasks.finish('FinishUnchanged', { runId, outcome: 'unchanged', trainingId }),
        ),
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
    this.tasks.entrances.push(convert);
    convert.next(measureCandidate);
    return convert;
  }

  /** From a file to what its conversion needs: features of the data that there is, else their form alone. */
  private importing(convertImport: State): State {
    const { steps } = this;
    const plan = this.tasks.task('PlanImport', steps.planTraining, '$.plan', {
      runId,
      import: JsonPath.objectAt('$.import'),
    });
    const describe = this.tasks.task('DescribeFeatures', steps.buildFeatures, '$.features', {
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
          this.tasks.finish('FinishImported', {
            runId,
            outcome: 'unchanged',
            trainingId,
            imported: true,
          }),
        ),
    );
    return plan;
  }

  /** From a version to the one that answers. */
  private delivery(): State {
    const { steps } = this;
    const stage = this.tasks.task('StageVersion', steps.stageVersion, '$.staged', {
      runId,
      version,
    });
    const promote = this.tasks.task('PromoteVersion', steps.promoteVersion, '$.live', {
      runId,
      version,
    });
    const endsAs = (step: string) => ({
      ...judged,
      outcome: JsonPath.stringAt(`$.${step}.outcome`),
      reasons: JsonPath.listAt(`$.${step}.reasons`),
      version,
    });
    stage.next(
      new Choice(this, 'MayGoLive')
        .when(Condition.stringEquals('$.staged.outcome', 'staged'), promote)
        .otherwise(this.tasks.finish('FinishStaged', endsAs('staged'))),
    );
    promote.next(
      new Choice(this, 'IsLive')
        .when(
          Condition.stringEquals('$.live.outcome', 'live'),
          this.tasks.finish('FinishLive', { ...judged, outcome: 'live', version }),
        )
        .otherwise(this.tasks.finish('FinishNotLive', endsAs('live'))),
    );
    return stage;
  }
}
