import type { LedgerState } from './ledger.ts';
import { formerlyLive } from './ledger.ts';

/** How many versions that were live before keep their endpoint, so that a rollback is a ledger entry. */
const formerVersionsKept = 3;

/** The versions whose endpoint stays: live, staged, and the last that were live. */
export function versionsWithEndpoint({ entries, head }: LedgerState): number[] {
  const { live, staged } = head;
  const former = formerlyLive(entries).filter((version) => version !== live);
  const kept = [live, staged, ...former.slice(0, formerVersionsKept)];
  return [...new Set(kept.filter((version) => version !== undefined))];
}
