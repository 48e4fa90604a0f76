import type { RetrainingAlarm } from '../model/retraining-section.ts';
import type { Run, RunTrigger } from '../registry/records.ts';
import { costUsd } from './instance-prices.ts';
import {
  alarmHeard,
  alarmsLast,
  type LiveVersion,
  type PlannedRun,
  type PlannedTraining,
  runPlanned,
  timePassed,
  trainingEnded,
  trainingRetried,
  trainingSettled,
} from './retraining-events.ts';
import { decideTraining, type RetrainingPolicy, untold } from './retraining-policy.ts';
import { emptyState, type RetrainingState, type RetrainingStore } from './retraining-state.ts';
import {
  lockHolder,
  type RunAnswer,
  type RunControl,
  requestRun,
  retryRun,
} from './run-control.ts';

/** The jobs that trainings run as. */
export interface TrainingJobs {
  /** What is billed of a job that has ended; 0 where there is none, undefined while it goes on. */
  billableSeconds(trainingJobName: string): Promise<number | undefined>;
}

/** What the policy needs of the world, beside what starting and ending runs needs. */
export interface RetrainingControl {
  readonly control: RunControl;
  readonly store: RetrainingStore;
  readonly policy: RetrainingPolicy;
  readonly jobs: TrainingJobs;
  /** USD; 0 where no price is known. */
  readonly pricePerHourUsd: number;
  /** The version that answers; undefined where none does. */
  live(): Promise<LiveVersion | undefined>;
  findRun(runId: string): Promise<Run | undefined>;
  /** Alarms that all checks of a version for long are about, and since when. */
  lastingAlarms(
    version: number,
  ): Promise<readonly { readonly alarm: RetrainingAlarm; readonly since: string }[]>;
  /** Tells people of wishes that have been refused for long: what is wanted, and what it waits for. */
  tellRefused(wanted: readonly string[], reasons: readonly string[]): Promise<void>;
}

type StateControl = Pick<RetrainingControl, 'store'> & {
  readonly control: Pick<RunControl, 'model'>;
};

/** So many others changed the state at the same time that this change did not come through. */
export class RetrainingContentionError extends Error {
  override readonly name = 'RetrainingContentionError';
}

const changeAttempts = 100;

/** Makes a change of the state, again where somebody else was quicker, and gives back what came of it. */
async function change<Result extends { readonly state: RetrainingState }>(
  { control: { model }, store }: StateControl,
  make: (state: RetrainingState) => Result,
): Promise<Result> {
  for (let attempt = 0; attempt < changeAttempts; attempt += 1) {
    const held = await store.read(model);
    const before = held?.state ?? emptyState(model);
    const result = make(before);
    if (result.state === before) return result;
    if (await store.replace(model, held, result.state)) return result;
  }
  throw new RetrainingContentionError(
    `the retraining state of ${model} could not be changed in ${changeAttempts} attempts; send the request again`,
  );
}

/** What a wish comes to: a run that was started, or why none was. */
export interface WishAnswer {
  readonly outcome: RunAnswer['outcome'] | 'waiting' | 'ignored';
  /** The run that was started, or that is in the way. */
  readonly runId?: string;
  readonly reasons: readonly string[];
}

/** An alarm goes off. It is remembered until it is answered, because it does not go off again. */
export async function hearAlarm(
  retraining: RetrainingControl,
  event: { readonly alarm: RetrainingAlarm; readonly since: string },
  runId: string,
): Promise<WishAnswer> {
  const { policy } = retraining;
  if (!policy.alarms.includes(event.alarm)) {
    return { outcome: 'ignored', reasons: ['retraining.alarms does not name it'] };
  }
  await reconcile(retraining);
  await change(retraining, (state) => ({ state: alarmHeard(policy, state, event) }));
  return startWanted(retraining, runId, { kind: 'alarm', by: event.alarm });
}

/** Looks at the kept wishes again, at the age of what is live, and at alarms that it did not end. */
export async function lookAgain(retraining: RetrainingControl, runId: string): Promise<WishAnswer> {
  const { control, policy } = retraining;
  await reconcile(retraining);
  const live = await retraining.live();
  const lasting = live ? await retraining.lastingAlarms(live.version) : [];
  await change(retraining, (before) => {
    const state = timePassed(policy, before, live, control.now());
    return { state: live ? alarmsLast(policy, state, live, lasting) : state };
  });
  return startWanted(retraining, runId, { kind: 'schedule', by: 'retraining policy' });
}

/** Starts a run for the kept wishes where a training may begin. The run decides again, with the newest data. */
async function startWanted(
  retraining: RetrainingControl,
  runId: string,
  trigger: RunTrigger,
): Promise<WishAnswer> {
  const { control, policy, store } = retraining;
  const holder = await lockHolder(control);
  if (holder) {
    // It has the wish in mind when it plans; if it planned already, the next look has.
    return { outcome: 'waiting', runId: holder.runId, reasons: [`run ${holder.runId} goes on`] };
  }
  const isLive = (await retraining.live()) !== undefined;
  const now = control.now();
  const { state } = (await store.read(control.model)) ?? { state: emptyState(control.model) };
  if (state.retrainWanted.length === 0) return { outcome: 'waiting', reasons: [] };
  const asking = { isLive, insists: false, automatic: true };
  const { decision, reasons } = decideTraining(policy, state, asking, now);
  if (decision === 'wait') {
    await change(retraining, (current) => ({ state: refused(current, reasons, now) }));
    await tellOnce(retraining, state, reasons);
    return { outcome: 'waiting', reasons };
  }
  const answer = await requestRun(control, { runId, trigger, settled: true, quietSeconds: 0 });
  await change(retraining, (current) => {
    const { collected } = current;
    const asked = {
      runId: answer.runId,
      at: now,
      ...(collected && { trainingId: collected.trainingId }),
    };
    return { state: { ...current, asked } };
  });
  return { ...answer, reasons: [] };
}

/** Told first and noted then: who is killed in between tells twice rather than never. */
async function tellOnce(
  retraining: RetrainingControl,
  state: RetrainingState,
  reasons: readonly string[],
): Promise<void> {
  const now = retraining.control.now();
  const wishes = untold(state, now);
  if (wishes.length === 0) return;
  await retraining.tellRefused(
    wishes.map(({ since, text }) => `${text} since ${since}`),
    reasons,
  );
  const kinds = new Set(wishes.map(({ kind }) => kind));
  await change(retraining, (current) => ({
    state: {
      ...current,
      retrainWanted: current.retrainWanted.map((wanted) =>
        kinds.has(wanted.kind) ? { ...wanted, told: true } : wanted,
      ),
    },
  }));
}

/** The same refusal again is not written: a wish may be looked at every minute. */
function refused(state: RetrainingState, reasons: readonly string[], now: string): RetrainingState {
  if (JSON.stringify(state.refused?.reasons) === JSON.stringify(reasons)) return state;
  return { ...state, refused: { at: now, reasons: [...reasons] } };
}

/** Whether a run with validated data may train. Asked again by the same run, the answer is the same. */
export async function planRun(
  retraining: Pick<RetrainingControl, 'store' | 'policy' | 'live'> & {
    readonly control: Pick<RunControl, 'model' | 'now' | 'locks'>;
  },
  run: Omit<PlannedRun, 'isLive' | 'insists'>,
): Promise<PlannedTraining> {
  const { control, policy } = retraining;
  const isLive = (await retraining.live()) !== undefined;
  const lock = (await control.locks.read(control.model))?.lock;
  const insists = lock?.runId === run.runId && lock.insists;
  return change(retraining, (state) =>
    runPlanned(policy, state, { ...run, isLive, insists }, control.now()),
  );
}

/**
 * Goes on with a failed run. Where it is going to train, what that may cost is set aside first.
 * @throws RunInputTooLargeError
 */
export async function retryWithinBudget(
  retraining: RetrainingControl,
  request: Parameters<typeof retryRun>[1],
  trainingJobName: string | undefined,
): Promise<WishAnswer | (RunAnswer & { readonly reasons: readonly string[] })> {
  const { control, policy } = retraining;
  const { runId } = request;
  await reconcile(retraining);
  const holder = await lockHolder(control);
  if (holder) return { outcome: 'busy', runId: holder.runId, reasons: [] };
  if (trainingJobName !== undefined) {
    const { decision, reasons } = await change(retraining, (state) =>
      trainingRetried(policy, state, { runId, trainingJobName }, control.now()),
    );
    if (decision === 'wait') return { outcome: 'waiting', reasons };
  }
  const giveBack = () =>
    change(retraining, (state) => ({ state: trainingSettled(state, runId, 0) }));
  try {
    const answer = await retryRun(control, request);
    if (answer.outcome === 'busy') await giveBack();
    return { ...answer, reasons: [] };
  } catch (error) {
    await giveBack();
    throw error;
  }
}

/** What a run's record says that its training came to; undefined while it goes on. */
function outcomeOf(run: Run): 'live' | 'judged' | 'failed' | 'none' | undefined {
  if (run.status === 'RUNNING') return undefined;
  if (run.status !== 'SUCCEEDED') return 'failed';
  if (run.outcome === 'live') return 'live';
  return run.outcome === 'rejected' || run.outcome === 'awaiting_approval' ? 'judged' : 'none';
}

/** Takes the end of a run into account; twice is as once. */
export async function closeRun(
  retraining: Pick<RetrainingControl, 'store' | 'jobs' | 'pricePerHourUsd'> & StateControl,
  run: Run,
): Promise<void> {
  const { control, jobs, pricePerHourUsd, store } = retraining;
  const { runId, trainingId } = run;
  const outcome = outcomeOf(run);
  if (outcome === undefined) return;
  if (outcome !== 'none') {
    await change(retraining, (state) => ({
      state: trainingEnded(state, { runId, trainingId, outcome }),
    }));
  }
  const reserved = (await store.read(control.model))?.state.spend.reserved ?? [];
  const own = reserved.find((reservation) => reservation.runId === runId);
  if (!own) return;
  // A job that is still stopping is settled when somebody looks again.
  const seconds = await jobs.billableSeconds(own.trainingJobName);
  if (seconds === undefined) return;
  const usd = costUsd(pricePerHourUsd, seconds);
  await change(retraining, (state) => ({ state: trainingSettled(state, runId, usd) }));
}

/** Catches up with runs that ended without the policy hearing of it. */
async function reconcile(retraining: RetrainingControl): Promise<void> {
  const { control, store } = retraining;
  const state = (await store.read(control.model))?.state;
  if (!state) return;
  const { lastTraining, spend } = state;
  const open = new Set(spend.reserved.map(({ runId }) => runId));
  if (lastTraining && lastTraining.outcome === undefined) open.add(lastTraining.runId);
  if (open.size === 0) return;
  // A run whose execution is gone is released first, so that its record says so.
  await lockHolder(control);
  for (const runId of open) {
    const run = await retraining.findRun(runId);
    if (run) await closeRun(retraining, run);
    else await giveUp(retraining, runId);
  }
}

/** Longer than a starter can live. */
const starterLimitMs = 900_000;

/** Whoever set money aside for a run that never came to be has died. */
async function giveUp({ control, store }: RetrainingControl, runId: string): Promise<void> {
  const abandoned = ({ runId: of, at }: { runId: string; at: string }): boolean =>
    of === runId && Math.abs(Date.parse(control.now()) - Date.parse(at)) > starterLimitMs;
  await change({ control, store }, (state) => ({
    state: state.spend.reserved.some(abandoned) ? trainingSettled(state, runId, 0) : state,
  }));
}
