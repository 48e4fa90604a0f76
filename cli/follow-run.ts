import { setTimeout as sleep } from 'node:timers/promises';
import { DescribeTrainingJobCommand, SageMakerClient } from '@aws-sdk/client-sagemaker';
import { RunNotFoundError } from '../core/registry/errors.ts';
import type { Run } from '../core/registry/records.ts';
import type { RunLock } from '../core/training/run-lock.ts';
import { CommandError } from './command-error.ts';
import type { Deployment } from './deployment.ts';
import {
  type EnteredState,
  type ExecutionReader,
  enteredStates,
  executionArnOf,
  readExecution,
  secondsPerState,
} from './execution-history.ts';
import { quarantineReports } from './quarantined-files.ts';
import { failedStatuses, modelOfRun } from './runs.ts';
import { seconds, type Terminal } from './terminal.ts';

const jobStates: ReadonlySet<string> = new Set(['Train', 'ConvertImport']);

/** Whether a state runs a job of SageMaker, and no function. */
export const runsJob = (state: Pick<EnteredState, 'name'> | undefined): boolean =>
  state !== undefined && jobStates.has(state.name);

/** The job that a visit of a state runs. */
export function trainingJobOf(state: EnteredState): string | undefined {
  const input = JSON.parse(state.input) as { plan?: { trainingJobName?: string } };
  return runsJob(state) ? input.plan?.trainingJobName : undefined;
}

async function jobStatus(client: SageMakerClient, job: string): Promise<string | undefined> {
  try {
    const { SecondaryStatus } = await client.send(
      new DescribeTrainingJobCommand({ TrainingJobName: job }),
    );
    return SecondaryStatus;
  } catch (error) {
    // The state was entered, its job does not exist yet.
    if (error instanceof Error && /ValidationException|ResourceNotFound/.test(error.name)) return;
    throw error;
  }
}

/** Tells each state once as it is entered, and each new status of a training job. */
function narrator(terminal: Pick<Terminal, 'note'>) {
  const sagemaker = new SageMakerClient();
  const startedAt = performance.now();
  let told = 0;
  let status: string | undefined;
  const say = (text: string) =>
    terminal.note(`  ${seconds(performance.now() - startedAt).padStart(8)}  ${text}`);
  return async (states: readonly EnteredState[]) => {
    const tasks = states.filter(({ type }) => type === 'Task');
    const fresh = tasks.slice(told);
    told = tasks.length;
    // Asking for quiet again and again is one wait.
    const before = tasks.at(-fresh.length - 1)?.name;
    fresh
      .map(({ name }) => name)
      .filter((name, i, names) => name !== (i === 0 ? before : names[i - 1]))
      .forEach(say);
    const current = tasks.at(-1);
    const job = current && current.leftAt === undefined ? trainingJobOf(current) : undefined;
    const now = job === undefined ? undefined : await jobStatus(sagemaker, job);
    if (now !== undefined && now !== status) say(`  training job: ${now}`);
    status = now ?? status;
  };
}

/** A run that is over, with the seconds that each of its states took. */
export interface FollowedRun {
  readonly run: Run;
  readonly seconds: Readonly<Record<string, number>>;
  /** Keys of the validation reports whose invalid files went to quarantine. */
  readonly quarantineReports: readonly string[];
}

/** Where a run shows: each answers with undefined or nothing where it does not (yet). */
export interface RunTraces {
  /** The record of the run. */
  run(): Promise<Run | undefined>;
  /** The lock of its model. */
  lock(): Promise<RunLock | undefined>;
  execution(runId: string): ExecutionReader;
  tell(states: readonly EnteredState[]): Promise<void>;
}

/** Milliseconds, from any beginning. */
export interface Clock {
  now(): number;
  sleep(ms: number): Promise<unknown>;
}

/** Events of an execution's end arrive within this time, or are lost. */
const releaseLimitMs = 15_000;
/** A run starts within this time after it was asked for, and after the one that it waits for. */
const startLimitMs = 60_000;

/** How long something has been so at a stretch, in milliseconds. */
function stopwatch(clock: Clock): (isSo: boolean) => number {
  let since: number | undefined;
  return (isSo) => {
    since = isSo ? (since ?? clock.now()) : undefined;
    return since === undefined ? 0 : clock.now() - since;
  };
}

/** Whether a run without an execution is behind another one that goes on. */
async function isWaiting(traces: RunTraces, runId: string): Promise<boolean> {
  const lock = await traces.lock();
  if (lock?.next?.runId !== runId) return false;
  return (await traces.execution(lock.runId).status()) === 'RUNNING';
}

/**
 * Follows a run to its end.
 * @throws CommandError where nothing is going to start it.
 */
export async function follow(
  traces: RunTraces,
  runId: string,
  pauseMs: number,
  clock: Clock = { now: () => performance.now(), sleep },
): Promise<FollowedRun> {
  const execution = traces.execution(runId);
  const unrecorded = stopwatch(clock);
  const unstarted = stopwatch(clock);
  for (;;) {
    const [run, status] = [await traces.run(), await execution.status()];
    const states = enteredStates(await execution.history());
    await traces.tell(states);
    const found = { quarantineReports: quarantineReports(states) };
    const over = status !== undefined && status !== 'RUNNING';
    if (run && run.status !== 'RUNNING' && over) {
      return { run, seconds: Object.fromEntries(secondsPerState(states)), ...found };
    }
    const broken = run !== undefined && status !== undefined && failedStatuses.has(status);
    if (unrecorded(broken) > releaseLimitMs && broken) {
      return { run: { ...run, status: status as Run['status'] }, seconds: {}, ...found };
    }
    const stuck = status === undefined && !(await isWaiting(traces, runId));
    if (unstarted(stuck) > startLimitMs) throw neverStarted(runId);
    await clock.sleep(pauseMs);
  }
}

const neverStarted = (runId: string): CommandError => {
  const model = modelOfRun(runId);
  return new CommandError(
    `run ${runId} has not started for ${startLimitMs / 1_000} s, and no run that it waits for is going on; \`slipway train ${model} --wait\` takes in what was dropped, \`slipway status ${model}\` shows what is going on`,
  );
};

/** A run that was asked for exists a moment later, or when the one before it has ended. */
async function currentRun(
  deployment: Deployment,
  model: string,
  runId: string,
): Promise<Run | undefined> {
  try {
    return await deployment.registry.getRun(model, runId);
  } catch (error) {
    if (error instanceof RunNotFoundError) return undefined;
    throw error;
  }
}

/** Follows a run to its end, telling the states as they are entered. @throws CommandError */
export function followRun(
  deployment: Deployment,
  runId: string,
  terminal: Pick<Terminal, 'note'>,
): Promise<FollowedRun> {
  const { name, stateMachineArn } = deployment.model(modelOfRun(runId));
  const traces: RunTraces = {
    run: () => currentRun(deployment, name, runId),
    lock: async () => (await deployment.runLock.read(name))?.lock,
    execution: (id) => readExecution(executionArnOf(stateMachineArn, id)),
    tell: narrator(terminal),
  };
  return follow(traces, runId, deployment.laptop ? 500 : 3_000);
}
