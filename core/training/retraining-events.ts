import type { RetrainingAlarm } from '../model/retraining-section.ts';
import {
  decideTraining,
  hoursAfter,
  newRows,
  overBudget,
  type RetrainingPolicy,
  type TrainingDecision,
} from './retraining-policy.ts';
import type { RetrainingState, RetrainingWish, SeenData, WishKind } from './retraining-state.ts';
import { reserve, settle } from './training-spend.ts';

const alarmTexts: Readonly<Record<RetrainingAlarm, string>> = {
  'features-drifted': 'drift',
  'predictions-drifted': 'drift of the predictions',
  'quality-dropped': 'lower quality',
};

/** With a wish more; one of its kind that no training was begun for, or the very same, stays as it is. */
function wish(
  state: RetrainingState,
  wanted: { kind: WishKind; since: string; text: string; rowsBefore: number },
): RetrainingState {
  const same = state.retrainWanted.find(({ kind }) => kind === wanted.kind);
  if (same && (same.trainingId === undefined || same.since === wanted.since)) return state;
  const others = state.retrainWanted.filter((other) => other !== same);
  return { ...state, retrainWanted: [...others, wanted] };
}

/**
 * An alarm goes off. Rows that were there before a drift show the world before it, so only those that come from
 * now on count for it. A lower quality was found by labels that are among the rows already.
 */
export function alarmHeard(
  policy: RetrainingPolicy,
  state: RetrainingState,
  { alarm, since }: HeardAlarm,
): RetrainingState {
  if (!policy.alarms.includes(alarm) || state.heard[alarm] === since) return state;
  return alarmWish({ ...state, heard: { ...state.heard, [alarm]: since } }, { alarm, since });
}

interface HeardAlarm {
  readonly alarm: RetrainingAlarm;
  readonly since: string;
}

function alarmWish(state: RetrainingState, { alarm, since }: HeardAlarm): RetrainingState {
  const rowsBefore = alarm === 'quality-dropped' ? 0 : (state.collected?.rows ?? 0);
  return wish(state, { kind: alarm, since, text: alarmTexts[alarm], rowsBefore });
}

/**
 * Alarms last though the newest training went live: it ended their wishes and not them, and they go off no
 * second time.
 */
export function alarmsLast(
  policy: RetrainingPolicy,
  state: RetrainingState,
  live: LiveVersion,
  lasting: readonly HeardAlarm[],
): RetrainingState {
  const { lastTraining, retrainWanted } = state;
  if (lastTraining?.outcome !== 'live' || lastTraining.trainingId !== live.trainingId) return state;
  return lasting
    .filter(({ alarm }) => policy.alarms.includes(alarm))
    .filter(({ alarm }) => !retrainWanted.some(({ kind }) => kind === alarm))
    .reduce(alarmWish, state);
}

/** The version that answers. */
export interface LiveVersion {
  readonly version: number;
  readonly trainingId: string;
  readonly registeredAt: string;
}

/** Time has passed: what is live may be what the wishes were for, or too old. */
export function timePassed(
  policy: RetrainingPolicy,
  state: RetrainingState,
  live: LiveVersion | undefined,
  now: string,
): RetrainingState {
  if (!live) return state;
  const { lastTraining } = state;
  const current =
    lastTraining?.trainingId === live.trainingId && lastTraining.outcome !== 'live'
      ? trainingEnded(state, { runId: lastTraining.runId, ...live, outcome: 'live' })
      : state;
  if (policy.maxAgeDays === undefined) return current;
  const since = hoursAfter(live.registeredAt, policy.maxAgeDays * 24);
  if (now < since) return current;
  const text = `the version is older than ${policy.maxAgeDays} days`;
  return wish(current, { kind: 'age', since, text, rowsBefore: 0 });
}

export interface PlannedRun {
  readonly runId: string;
  readonly trainingJobName: string;
  /** The data that was validated, and how many labelled rows it has. */
  readonly data: SeenData;
  /** That training was done before. */
  readonly isKnown: boolean;
  readonly isLive: boolean;
  readonly insists: boolean;
}

export interface PlannedTraining {
  readonly state: RetrainingState;
  readonly decision: 'train' | 'collected' | 'unchanged';
  readonly reasons: readonly string[];
  /** Whether the data is other than what was collected before. */
  readonly isFresh: boolean;
}

/** A run has validated its data and asks whether it may train; what a training may cost is set aside. */
export function runPlanned(
  policy: RetrainingPolicy,
  before: RetrainingState,
  run: PlannedRun,
  now: string,
): PlannedTraining {
  const { collected: known, lastTraining } = before;
  if (lastTraining?.runId === run.runId && lastTraining.outcome === undefined) {
    return { state: before, decision: 'train', reasons: [], isFresh: true };
  }
  const { data, runId } = run;
  const isFresh = known?.trainingId !== data.trainingId || known.runId === runId;
  const collected = { ...before, collected: { ...data, runId: isFresh ? runId : known.runId } };
  if (run.isKnown) {
    const open = before.retrainWanted.filter(({ kind }) => kind !== 'drop' && kind !== 'person');
    const state = { ...collected, judged: data, retrainWanted: open };
    return { state, decision: 'unchanged', reasons: [], isFresh };
  }
  const wanted = withWishes(policy, collected, run, now);
  const { decision, reasons } = decideTraining(policy, wanted, { ...run, automatic: false }, now);
  if (decision === 'wait') {
    const state = { ...wanted, refused: { at: now, reasons: [...reasons] } };
    return { state, decision: 'collected', reasons, isFresh };
  }
  return { state: trainingStarted(policy, wanted, run, now), decision, reasons, isFresh };
}

/** New data is a wish where the model says so, or before its first version; so is what a person asks for. */
function withWishes(
  policy: RetrainingPolicy,
  state: RetrainingState,
  { insists, isLive }: PlannedRun,
  now: string,
): RetrainingState {
  const trains = policy.onDrop === 'train' || !isLive;
  const fresh = trains && newRows(policy, state, 0) > 0;
  const noted = fresh
    ? wish(state, { kind: 'drop', since: now, text: 'new data', rowsBefore: 0 })
    : state;
  if (!insists) return noted;
  return wish(noted, { kind: 'person', since: now, text: 'a person asked', rowsBefore: 0 });
}

function trainingStarted(
  policy: RetrainingPolicy,
  { refused: _, ...state }: RetrainingState,
  { data, runId, trainingJobName }: PlannedRun,
  now: string,
): RetrainingState {
  const { trainingId } = data;
  const reservation = { runId, trainingJobName, usd: policy.worstCaseUsd ?? 0 };
  return {
    ...state,
    lastTraining: { ...data, runId, at: now },
    // What a person asked for is done now; if it fails, they are told and ask again.
    retrainWanted: state.retrainWanted
      .filter(({ kind }) => kind !== 'person')
      .map((wanted): RetrainingWish => ({ ...wanted, trainingId })),
    spend: reserve(state.spend, reservation, now),
  };
}

/** A person goes on with a failed training: the budget holds for that too. */
export function trainingRetried(
  policy: RetrainingPolicy,
  state: RetrainingState,
  run: Pick<PlannedRun, 'runId' | 'trainingJobName'>,
  now: string,
): { readonly state: RetrainingState } & TrainingDecision {
  const reasons = overBudget(policy, state, now);
  if (reasons.length > 0) return { state, decision: 'wait', reasons };
  const reservation = { ...run, usd: policy.worstCaseUsd ?? 0 };
  const spend = reserve(state.spend, reservation, now);
  return { state: { ...state, spend }, decision: 'train', reasons };
}

export interface EndedTraining {
  readonly runId: string;
  readonly trainingId?: string | undefined;
  /** judged: rejected, or waiting for a person's approval. */
  readonly outcome: 'live' | 'judged' | 'failed';
}

/** A run that had begun a training, or went on with it, has ended. */
export function trainingEnded(state: RetrainingState, ended: EndedTraining): RetrainingState {
  const { lastTraining } = state;
  const own =
    lastTraining?.runId === ended.runId ||
    (ended.trainingId !== undefined && lastTraining?.trainingId === ended.trainingId);
  if (!lastTraining || !own || lastTraining.outcome === ended.outcome) return state;
  const { outcome } = ended;
  if (outcome === 'failed') {
    // A run that went on with a training that is judged already takes nothing back.
    if (lastTraining.outcome !== undefined) return state;
    return { ...state, lastTraining: { ...lastTraining, outcome } };
  }
  if (lastTraining.outcome === 'live') return state;
  const { rows, trainingId } = lastTraining;
  const open = state.retrainWanted.filter(
    (wanted) => outcome !== 'live' || wanted.trainingId !== trainingId,
  );
  return {
    ...state,
    lastTraining: { ...lastTraining, outcome },
    judged: { rows, trainingId },
    retrainWanted: open,
  };
}

/** What a run's training cost is known. */
export function trainingSettled(
  state: RetrainingState,
  runId: string,
  usd: number,
): RetrainingState {
  const spend = settle(state.spend, runId, usd);
  return spend === state.spend ? state : { ...state, spend };
}
