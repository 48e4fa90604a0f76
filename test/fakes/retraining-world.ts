import type { RetrainingAlarm } from '../../core/model/retraining-section.ts';
import {
  closeRun,
  hearAlarm,
  lookAgain,
  planRun,
  type RetrainingControl,
  retryWithinBudget,
  type WishAnswer,
} from '../../core/training/retraining-control.ts';
import type { LiveVersion } from '../../core/training/retraining-events.ts';
import type { RetrainingPolicy } from '../../core/training/retraining-policy.ts';
import { emptyState, type RetrainingState } from '../../core/training/retraining-state.ts';
import { awaitQuiet, endRun, releaseRun, requestRun } from '../../core/training/run-control.ts';
import { Mortality } from './mortality.ts';
import { memoryRetrainingStates, memoryTrainingJobs } from './retraining.ts';
import { memoryExecutions, memoryRunLocks, memoryRuns } from './run-control.ts';

export const model = 'churn';
const pricePerHourUsd = 1;

/** A training as the world sees it, whatever the policy remembers. */
interface Training {
  readonly runId: string;
  readonly trainingId: string;
  readonly rows: number;
  readonly startedAt: string;
  /** Counts everything that happens, so that before and after do not depend on clocks. */
  readonly began: number;
  readonly month: string;
  billedUsd?: number;
  outcome?: 'live' | 'rejected' | 'failed';
}

type Progress = 'quiet' | 'settled' | 'snapshot' | 'training' | 'ending';

/**
 * A model whose data grows, whose alarms go off and whose trainings end well or badly, around the real lock
 * and the real policy. Functions die at any call, events come twice or never, clocks go back.
 */
export class RetrainingWorld {
  readonly runs = memoryRuns();
  readonly executions = memoryExecutions();
  readonly locks = memoryRunLocks();
  readonly states = memoryRetrainingStates();
  readonly jobs = memoryTrainingJobs();
  readonly trainings: Training[] = [];
  /** Alarms that were heard to the end: kind and when, in the order of everything that happens. */
  readonly alarms: { readonly alarm: RetrainingAlarm; readonly at: number }[] = [];
  readonly retraining: RetrainingControl;
  /** Of which wishes people were told, and what these wait for. */
  readonly told: string[][] = [];
  /** Alarms that the checks of the version that is live have been about for long. */
  lasting: { readonly alarm: RetrainingAlarm; readonly since: string }[] = [];
  rows = 0;
  happened = 0;
  private version: LiveVersion | undefined;
  /** Close to a month's end, so that clocks that are set back cross it. */
  private clock = Date.UTC(2026, 2, 31, 22);
  private latestMonth = '';
  private names = 0;
  private readonly mortality = new Mortality();
  private readonly progress = new Map<string, Progress>();
  private readonly snapshots = new Map<string, number>();
  private readonly undelivered: (() => Promise<unknown>)[] = [];
  private lastAlarm: { alarm: RetrainingAlarm; since: string } | undefined;

  constructor(policy: RetrainingPolicy) {
    const control = {
      model,
      locks: this.mortality.port(this.locks),
      executions: {
        ...this.mortality.port(this.executions.port),
        arnOf: this.executions.port.arnOf,
      },
      runs: this.mortality.port(this.runs.port),
      now: () => this.now(),
      ended: async (runId: string) => {
        const run = this.runs.runs.get(runId);
        if (run) await closeRun(this.retraining, run);
      },
    };
    this.retraining = {
      control,
      store: this.mortality.port(this.states),
      policy,
      jobs: this.jobs.port,
      pricePerHourUsd,
      live: async () => this.version,
      findRun: async (runId) => this.runs.runs.get(runId),
      lastingAlarms: async (version) =>
        version === this.version?.version ? [...this.lasting] : [],
      tellRefused: async (wanted, reasons) => {
        this.told.push([...wanted, ...reasons]);
      },
    };
  }

  now(): string {
    return new Date(this.clock).toISOString();
  }

  /** The month that money is spent in: it never goes back. */
  month(): string {
    const month = this.now().slice(0, 7);
    if (month > this.latestMonth) this.latestMonth = month;
    return this.latestMonth;
  }

  get live(): LiveVersion | undefined {
    return this.version;
  }

  async state(): Promise<RetrainingState> {
    return (await this.states.read(model))?.state ?? emptyState(model);
  }

  pass(hours: number): void {
    this.clock += hours * 3_600_000;
  }

  private newRunId(): string {
    this.names += 1;
    return `${model}-run-${this.names}`;
  }

  /** What is killed comes again later, unless it is given up. */
  private async attempt<Result>(
    event: () => Promise<Result>,
    callsUntilKilled: number | undefined,
    again = true,
  ): Promise<Result | undefined> {
    this.happened += 1;
    const lived = await this.mortality.run(event, callsUntilKilled);
    if (!lived && again) this.undelivered.push(event);
    return lived?.result;
  }

  async drop(rows: number, kind: 'drop' | 'person' = 'drop', killed?: number): Promise<void> {
    this.rows += rows;
    await this.attempt(
      () =>
        requestRun(this.retraining.control, {
          runId: this.newRunId(),
          trigger: { kind, by: 'somebody' },
          settled: true,
          quietSeconds: 0,
        }),
      killed,
    );
  }

  async alarm(alarm: RetrainingAlarm, killed?: number): Promise<WishAnswer | undefined> {
    this.clock += 1;
    return this.hear({ alarm, since: this.now() }, killed);
  }

  /** An event that EventBridge delivers twice. */
  async alarmAgain(): Promise<void> {
    if (!this.lastAlarm) return;
    const event = this.lastAlarm;
    await this.attempt(() => hearAlarm(this.retraining, event, this.newRunId()), undefined);
  }

  private hear(event: NonNullable<typeof this.lastAlarm>, killed?: number) {
    // An attempt that died may have been heard all the same.
    const at = this.happened + 1;
    return this.attempt(async () => {
      const answer = await hearAlarm(this.retraining, event, this.newRunId());
      if (answer.outcome !== 'ignored') {
        this.alarms.push({ alarm: event.alarm, at });
        this.lastAlarm = event;
      }
      return answer;
    }, killed);
  }

  /** A tick that dies is followed by the next one. */
  async look(killed?: number): Promise<WishAnswer | undefined> {
    return this.attempt(() => lookAgain(this.retraining, this.newRunId()), killed, false);
  }

  async deliverNext(killed?: number): Promise<void> {
    const event = this.undelivered.shift();
    if (event) await this.attempt(event, killed);
  }

  /** Executions that have not handed their turn over yet. */
  active(): string[] {
    return this.executions.running().filter((runId) => this.progress.get(runId) !== 'ending');
  }

  /** One step of the execution that goes on; a training ends as `end` says. */
  async step(end: 'live' | 'rejected' | 'failed', killed?: number): Promise<void> {
    const [runId] = this.executions.running();
    if (runId !== undefined) await this.attempt(() => this.advance(runId, end), killed, false);
  }

  private async advance(runId: string, end: 'live' | 'rejected' | 'failed'): Promise<void> {
    const progress = this.progress.get(runId) ?? 'quiet';
    if (progress === 'quiet') {
      if (await awaitQuiet(this.retraining.control, runId)) {
        const isRetry = this.executions.started.get(runId)?.['from'] === 'Train';
        if (isRetry)
          await this.train(runId, String(this.executions.started.get(runId)?.['trainingId']));
        this.progress.set(runId, isRetry ? 'training' : 'settled');
      }
    } else if (progress === 'settled') {
      this.snapshots.set(runId, this.rows);
      this.progress.set(runId, 'snapshot');
    } else if (progress === 'snapshot') {
      await this.plan(runId);
    } else if (progress === 'training') {
      await this.endTraining(runId, end);
    } else {
      await this.finish(runId);
    }
  }

  private async plan(runId: string): Promise<void> {
    const rows = this.snapshots.get(runId) ?? 0;
    if (rows === 0) return this.finish(runId, 'no_data');
    const trainingId = `data-of-${rows}-rows`;
    const ended = this.trainings.filter((training) => training.trainingId === trainingId);
    const isKnown = ended.some(({ outcome }) => outcome === 'live' || outcome === 'rejected');
    const { decision } = await planRun(this.retraining, {
      runId,
      trainingJobName: `job-${runId}`,
      data: { trainingId, rows },
      isKnown,
    });
    if (decision !== 'train') return this.finish(runId, decision);
    await this.train(runId, trainingId);
    this.progress.set(runId, 'training');
  }

  private async train(runId: string, trainingId: string): Promise<void> {
    const rows = Number(/\d+/.exec(trainingId)?.[0]);
    const startedAt = this.now();
    const began = this.happened;
    // A month may end between the money that is set aside and the training: it is that month's money.
    const { reserved } = (await this.state()).spend;
    const month = reserved.find((other) => other.runId === runId)?.month ?? this.month();
    this.trainings.push({ runId, trainingId, rows, startedAt, began, month });
    this.jobs.billed.set(`job-${runId}`, undefined);
  }

  private bill(training: Training): void {
    const worst = this.retraining.policy.worstCaseUsd ?? 0;
    const share = ((this.names * 7) % 11) / 10;
    training.billedUsd = worst * Math.min(1, share);
    this.jobs.billed.set(`job-${training.runId}`, training.billedUsd * 3_600);
  }

  private async endTraining(runId: string, end: 'live' | 'rejected' | 'failed'): Promise<void> {
    const training = this.trainings.find((other) => other.runId === runId);
    if (!training) throw new Error(`there is no training of ${runId}`);
    this.bill(training);
    training.outcome = end;
    if (end === 'failed') return this.fail(true);
    if (end === 'live') {
      const { trainingId } = training;
      const version = (this.version?.version ?? 0) + 1;
      this.version = { version, trainingId, registeredAt: this.now() };
      // No check has looked at it.
      this.lasting = [];
    }
    await this.finish(runId, end);
  }

  private async finish(
    runId: string,
    outcome?: 'live' | 'rejected' | 'collected' | 'unchanged' | 'no_data',
  ): Promise<void> {
    const trainingId = this.trainings.find((other) => other.runId === runId)?.trainingId;
    const run = this.runs.runs.get(runId);
    // The step that is repeated after a death has the same outcome.
    if (run && outcome) this.runs.runs.set(runId, { ...run, outcome, trainingId });
    this.progress.set(runId, 'ending');
    const finishedAt = this.now();
    await this.retraining.control.runs.finishRun(model, runId, { status: 'SUCCEEDED', finishedAt });
    await this.retraining.control.ended(runId);
    await endRun(this.retraining.control, runId);
    this.executions.end(runId, 'SUCCEEDED');
  }

  /** The execution that goes on breaks, wherever it is; the event of it comes later, or never. */
  fail(eventComes: boolean): void {
    const [runId] = this.executions.running();
    if (runId === undefined) return;
    const progress = this.progress.get(runId);
    if (progress === 'ending') return;
    const training = this.trainings.find((other) => other.runId === runId);
    if (training && training.billedUsd === undefined) this.bill(training);
    if (training) training.outcome = 'failed';
    this.executions.end(runId, 'FAILED');
    if (!eventComes) return;
    this.undelivered.push(() =>
      releaseRun(this.retraining.control, { runId, status: 'FAILED', error: 'States.TaskFailed' }),
    );
  }

  /** A person goes on with the last training where it failed. */
  async retry(killed?: number): Promise<void> {
    const last = this.trainings.at(-1);
    if (last?.outcome !== 'failed') return;
    const runId = this.newRunId();
    const { trainingId } = last;
    const input = { from: 'Train', trainingId };
    const trigger = { kind: 'retry', by: 'ada' } as const;
    await this.attempt(
      () => retryWithinBudget(this.retraining, { runId, trigger, input }, `job-${runId}`),
      killed,
      false,
    );
  }

  /** Everything that is under way comes to its end, trainings well. */
  async settle(): Promise<void> {
    for (let round = 0; round < 300; round += 1) {
      if (this.undelivered.length === 0 && this.executions.running().length === 0) return;
      await this.deliverNext();
      this.pass(0.01);
      await this.step('live');
    }
    throw new Error('the pipeline does not come to rest');
  }
}
