import {
  awaitQuiet,
  endRun,
  type RunControl,
  releaseRun,
  requestRun,
} from '../../core/training/run-control.ts';
import { Mortality } from './mortality.ts';
import { memoryExecutions, memoryRunLocks, memoryRuns } from './run-control.ts';

export const model = 'churn';
export const quietSeconds = 30;

interface Drop {
  readonly id: number;
  /** The run that was said to take it in; undefined while its event is not handled to the end. */
  runId?: string;
}

type Progress = 'quiet' | 'settled' | 'snapshot' | 'ending';

/**
 * A pipeline around the real run control: executions that poll, take snapshots and end, functions that
 * die at any call, events that come late and more than once. Time passes only by `tick`.
 */
export class PipelineWorld {
  readonly runs = memoryRuns();
  readonly executions = memoryExecutions();
  readonly locks = memoryRunLocks();
  readonly drops: Drop[] = [];
  readonly snapshots = new Map<string, ReadonlySet<number>>();
  /** What will be delivered (again), in the order of the events. */
  readonly undelivered: (() => Promise<void>)[] = [];
  /** What was delivered once and may come again. */
  readonly delivered: (() => Promise<void>)[] = [];
  private readonly progress = new Map<string, Progress>();
  private clock = Date.UTC(2026, 2, 1);
  private names = 0;
  private readonly mortality = new Mortality();

  readonly control: RunControl = {
    model,
    locks: this.mortality.port(this.locks),
    executions: { ...this.mortality.port(this.executions.port), arnOf: this.executions.port.arnOf },
    runs: this.mortality.port(this.runs.port),
    now: () => new Date(this.clock).toISOString(),
    ended: async () => {},
  };

  tick(seconds: number): void {
    this.clock += seconds * 1_000;
  }

  /** A function that is killed is invoked again later, as Lambda and EventBridge do. */
  private async deliver(event: () => Promise<void>, callsUntilKilled?: number): Promise<void> {
    const lived = await this.mortality.run(event, callsUntilKilled);
    (lived ? this.delivered : this.undelivered).push(event);
  }

  async drop(settled: boolean, callsUntilKilled?: number): Promise<void> {
    const drop: Drop = { id: this.drops.length };
    this.drops.push(drop);
    await this.deliver(async () => {
      this.names += 1;
      const answer = await requestRun(this.control, {
        runId: `run-${this.names}`,
        trigger: { kind: 'drop', by: `landing/${model}/${drop.id}.csv` },
        settled,
        quietSeconds,
      });
      drop.runId ??= answer.runId;
    }, callsUntilKilled);
  }

  async deliverNext(callsUntilKilled?: number): Promise<void> {
    const event = this.undelivered.shift();
    if (event) await this.deliver(event, callsUntilKilled);
  }

  async deliverAgain(which: number, callsUntilKilled?: number): Promise<void> {
    const event = this.delivered[which % Math.max(1, this.delivered.length)];
    if (event) await this.deliver(event, callsUntilKilled);
  }

  /** Executions that have not handed their turn over yet. */
  active(): string[] {
    return this.executions.running().filter((runId) => this.progress.get(runId) !== 'ending');
  }

  /** One step of an execution; a step that is killed is tried again at the next. */
  async step(which: number, callsUntilKilled?: number): Promise<void> {
    const running = this.executions.running();
    const runId = running[which % Math.max(1, running.length)];
    if (runId === undefined) return;
    await this.mortality.run(() => this.advance(runId), callsUntilKilled);
  }

  private async advance(runId: string): Promise<void> {
    const progress = this.progress.get(runId) ?? 'quiet';
    if (progress === 'quiet') {
      if (await awaitQuiet(this.control, runId)) this.progress.set(runId, 'settled');
    } else if (progress === 'settled') {
      this.snapshots.set(runId, new Set(this.drops.map(({ id }) => id)));
      this.progress.set(runId, 'snapshot');
    } else {
      const finishedAt = this.control.now();
      await this.control.runs.finishRun(model, runId, { status: 'SUCCEEDED', finishedAt });
      this.progress.set(runId, 'ending');
      await endRun(this.control, runId);
      this.executions.end(runId, 'SUCCEEDED');
    }
  }

  /** An execution breaks, wherever it is; the event of it comes later, or never. */
  fail(which: number, eventComes: boolean): void {
    const running = this.executions.running();
    const runId = running[which % Math.max(1, running.length)];
    if (runId === undefined) return;
    this.executions.end(runId, 'FAILED');
    if (!eventComes) return;
    this.undelivered.push(async () => {
      await releaseRun(this.control, { runId, status: 'FAILED', error: 'States.TaskFailed' });
    });
  }

  /** Nobody is killed any more: all that is under way comes to its end. */
  async settle(): Promise<void> {
    for (let round = 0; round < 500; round += 1) {
      if (this.undelivered.length === 0 && this.executions.running().length === 0) return;
      await this.deliverNext();
      this.tick(5);
      await this.step(round);
    }
    throw new Error('the pipeline does not come to rest');
  }
}
