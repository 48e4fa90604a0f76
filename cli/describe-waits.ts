import type { RetrainingState } from '../core/training/retraining-state.ts';
import { spentUsd } from '../core/training/training-spend.ts';

/** The time of day today, else the day too; UTC. */
const shortTime = (instant: string, now: string): string =>
  instant.slice(0, 10) === now.slice(0, 10)
    ? instant.slice(11, 16)
    : instant.slice(0, 16).replace('T', ' ');

/** Why a model is to be trained again and what that waits for, as JSON. */
export function waitsOf(state: RetrainingState | undefined, now: string) {
  if (!state) return { wanted: [], waitsFor: [], collectedRows: null, spentThisMonthUsd: 0 };
  const { collected, lastTraining, retrainWanted, refused, spend } = state;
  const goesOn = lastTraining !== undefined && lastTraining.outcome === undefined;
  const reasons = refused?.reasons ?? (goesOn ? ['a training goes on'] : []);
  return {
    wanted: retrainWanted.map(({ kind, since, text }) => ({ kind, since, text })),
    waitsFor: retrainWanted.length > 0 ? reasons : [],
    collectedRows: collected?.rows ?? null,
    spentThisMonthUsd: spentUsd(spend, now),
  };
}

/** In a line, as in "wants a training: drift since 02:10; 1,204 of 5,000 labels". */
export function describeWaits(waits: ReturnType<typeof waitsOf>, now: string): string[] {
  if (waits.wanted.length === 0) return [];
  const wanted = waits.wanted.map(({ since, text }) => `${text} since ${shortTime(since, now)}`);
  return [`  wants a training: ${[...wanted, ...waits.waitsFor].join('; ')}`];
}
