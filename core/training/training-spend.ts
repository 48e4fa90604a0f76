import { roundedUsd } from './instance-prices.ts';
import type { TrainingSpend } from './retraining-state.ts';

const later = (a: string, b: string): string => (a > b ? a : b);

/** The spend as of an instant: a new month begins with nothing, and no clock brings an old one back. */
export function spendAt(spend: TrainingSpend, now: string): TrainingSpend {
  const month = later(spend.month, now.slice(0, 7));
  return month === spend.month ? spend : { ...spend, month, settledUsd: 0 };
}

/** What the month has cost and may still cost with the trainings that go on. */
export function spentUsd(spend: TrainingSpend, now: string): number {
  const { month, reserved, settledUsd } = spendAt(spend, now);
  const open = reserved.filter((reservation) => reservation.month === month);
  return roundedUsd(open.reduce((sum, { usd }) => sum + usd, settledUsd));
}

export interface Reservation {
  readonly runId: string;
  readonly trainingJobName: string;
  readonly usd: number;
}

/** Sets the worst case of a run's training aside; again for the same run changes nothing. */
export function reserve(
  spend: TrainingSpend,
  reservation: Reservation,
  now: string,
): TrainingSpend {
  const current = spendAt(spend, now);
  if (current.reserved.some(({ runId }) => runId === reservation.runId)) return current;
  const reserved = [...current.reserved, { ...reservation, month: current.month, at: now }];
  return { ...current, reserved };
}

/** Puts what a run's training cost in the place of what was set aside for it, in the same month. */
export function settle(spend: TrainingSpend, runId: string, usd: number): TrainingSpend {
  const reservation = spend.reserved.find((other) => other.runId === runId);
  if (!reservation) return spend;
  const reserved = spend.reserved.filter((other) => other !== reservation);
  const counts = reservation.month === spend.month;
  return {
    ...spend,
    reserved,
    settledUsd: counts ? roundedUsd(spend.settledUsd + usd) : spend.settledUsd,
  };
}
