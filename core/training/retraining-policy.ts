import type { ModelDefinition } from '../model/define-model.ts';
import { RetrainingAlarm, type RetrainingSection } from '../model/retraining-section.ts';
import { worstCaseUsd } from './instance-prices.ts';
import type { RetrainingState, RetrainingWish } from './retraining-state.ts';
import { spentUsd } from './training-spend.ts';

/** What a model's definition says about when it is trained. */
export interface RetrainingPolicy extends RetrainingSection {
  readonly mode: ModelDefinition['data']['mode'];
  /** What a training may cost; undefined where no price is known, and then there is no budget. */
  readonly worstCaseUsd: number | undefined;
}

export const retrainingPolicy = ({
  data,
  retraining,
  training,
}: Pick<ModelDefinition, 'data' | 'retraining' | 'training'>): RetrainingPolicy => ({
  ...retraining,
  mode: data.mode,
  worstCaseUsd: worstCaseUsd(training),
});

/** A training that failed is tried again by itself so much later, or at the cooldown's end. */
export const pauseHoursAfterFailure = 6;

/** An alarm's wish that has been refused for so long is no longer people's to find out by themselves. */
const hoursUntilTold = 24;

/** Wishes of alarms that have been refused for long, and of which nobody was told. */
export const untold = ({ retrainWanted }: RetrainingState, now: string): RetrainingWish[] =>
  retrainWanted.filter(
    ({ kind, since, told }) =>
      RetrainingAlarm.safeParse(kind).success && !told && now >= hoursAfter(since, hoursUntilTold),
  );

export interface Asking {
  /** Whether any version answers. */
  readonly isLive: boolean;
  /** A person asked for this run. */
  readonly insists: boolean;
  /** Nobody has asked just now: a kept wish is looked at again. */
  readonly automatic: boolean;
}

export interface TrainingDecision {
  readonly decision: 'train' | 'wait';
  /** Why it waits, for people; empty where it trains. */
  readonly reasons: readonly string[];
}

export const hoursAfter = (instant: string, hours: number): string =>
  new Date(Date.parse(instant) + hours * 3_600_000).toISOString();
const thousands = (count: number): string => count.toLocaleString('en-US');
const dollars = (usd: number): string => usd.toFixed(2);
const minute = (instant: string): string => `${instant.slice(0, 16).replace('T', ' ')} UTC`;

/**
 * Labelled rows that no training has seen. In append mode those beyond the rows that the last training saw
 * and beyond those that were there before the wish began; something else that changed counts as one. In
 * replace mode all, where anything changed. What a failed training saw is still new, unless it counts.
 */
export function newRows(
  { mode }: Pick<RetrainingPolicy, 'mode'>,
  { collected, judged, lastTraining }: RetrainingState,
  rowsBefore: number,
  failedCounts = false,
): number {
  const failed = lastTraining?.outcome === 'failed';
  const trained = failed && !failedCounts ? judged : lastTraining;
  if (!collected || collected.rows === 0) return 0;
  if ([trained, judged].some((seen) => seen?.trainingId === collected.trainingId)) return 0;
  if (mode === 'replace') return collected.rows;
  const seen = trained?.rows ?? 0;
  const more = collected.rows - Math.max(seen, rowsBefore);
  return Math.max(rowsBefore > seen ? 0 : 1, more);
}

/** The most new rows that any of the wishes sees. */
const rowsForWishes = (
  policy: RetrainingPolicy,
  state: RetrainingState,
  failedCounts = false,
): number =>
  Math.max(
    0,
    ...state.retrainWanted.map((wish) => newRows(policy, state, wish.rowsBefore, failedCounts)),
  );

/** Whether a training may begin; pure. All times are ISO 8601 in UTC with milliseconds. */
export function decideTraining(
  policy: RetrainingPolicy,
  state: RetrainingState,
  asking: Asking,
  now: string,
): TrainingDecision {
  const wishes = state.retrainWanted;
  const insists = asking.insists || wishes.some(({ kind }) => kind === 'person');
  if (!insists && wishes.length === 0) {
    return { decision: 'wait', reasons: [notWanted(policy, state)] };
  }
  const reasons = [
    ...(insists ? [] : tooFewRows(policy, state, asking.isLive)),
    ...(asking.automatic ? resting(policy, state, asking.isLive, now) : []),
    ...(insists || !asking.isLive ? [] : inCooldown(policy, state, now)),
    ...overBudget(policy, state, now),
  ];
  return { decision: reasons.length === 0 ? 'train' : 'wait', reasons };
}

function notWanted(policy: RetrainingPolicy, state: RetrainingState): string {
  const rows = newRows(policy, state, 0);
  const first = policy.onDrop === 'collect' ? 'new data is collected' : 'there is nothing new';
  return `${first}, and nothing asks for a training: ${counted(rows, policy.minimumLabelledRows)}`;
}

const counted = (rows: number, needed: number): string =>
  `${thousands(rows)} of ${thousands(needed)} labels`;

/** The first version is not waited for. */
const rowsNeeded = (policy: RetrainingPolicy, isLive: boolean): number =>
  isLive ? policy.minimumLabelledRows : 1;

function tooFewRows(policy: RetrainingPolicy, state: RetrainingState, isLive: boolean): string[] {
  const rows = rowsForWishes(policy, state);
  const needed = rowsNeeded(policy, isLive);
  return rows < needed ? [counted(rows, needed)] : [];
}

/**
 * A kept wish does not run into the same wall again and again: after a training that failed, or a run for it
 * that came to no training, it rests, unless there is new data.
 */
function resting(
  policy: RetrainingPolicy,
  state: RetrainingState,
  isLive: boolean,
  now: string,
): string[] {
  const { asked, collected, lastTraining } = state;
  const hours = Math.max(policy.cooldownHours, pauseHoursAfterFailure);
  const failed =
    lastTraining?.outcome === 'failed' &&
    rowsForWishes(policy, state, true) < rowsNeeded(policy, isLive);
  const inVain =
    asked !== undefined &&
    asked.runId !== lastTraining?.runId &&
    asked.trainingId === collected?.trainingId;
  const since = [...(failed ? [lastTraining.at] : []), ...(inVain ? [asked.at] : [])];
  const until = since
    .map((at) => hoursAfter(at, hours))
    .toSorted()
    .at(-1);
  if (until === undefined || now >= until) return [];
  return [`the last attempt failed; the next one by itself at ${minute(until)}`];
}

function inCooldown(policy: RetrainingPolicy, state: RetrainingState, now: string): string[] {
  if (!state.lastTraining || policy.cooldownHours === 0) return [];
  const until = hoursAfter(state.lastTraining.at, policy.cooldownHours);
  return now < until ? [`cooldown until ${minute(until)}`] : [];
}

/** The reasons against a training that would go over the month's budget. */
export function overBudget(
  { monthlyBudgetUsd, worstCaseUsd: worst }: RetrainingPolicy,
  state: RetrainingState,
  now: string,
): string[] {
  if (monthlyBudgetUsd === undefined || worst === undefined) return [];
  const spent = spentUsd(state.spend, now);
  if (spent + worst <= monthlyBudgetUsd) return [];
  return [
    `budget: ${dollars(spent)} of ${monthlyBudgetUsd} USD spent this month, a training may cost ${dollars(worst)}`,
  ];
}
