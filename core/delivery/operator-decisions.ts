import { entryInForce, type LedgerDraft, type LedgerState, livePeriods } from './ledger.ts';
import type { LedgerEntry } from './ledger-entry.ts';
import { servedHealthily, type VersionHealth } from './version-health.ts';

/** A wish that changes nothing. */
export type Unchanged<Refusal = never> =
  /** It is so already: the entry that made it so. */
  | { readonly outcome: 'in_force'; readonly entry: LedgerEntry }
  | ({ readonly outcome: 'refused' } & Refusal);

/** What a wish makes of a ledger as it is: one entry does it, or nothing changes. */
export type Decision<Refusal = never> =
  | { readonly outcome: 'append'; readonly draft: LedgerDraft }
  | Unchanged<Refusal>;

/** Who decides, why and when. */
export interface Operator {
  readonly by: string;
  readonly reason: string;
  /** ISO 8601, UTC. */
  readonly at: string;
}

const last = ({ entries }: LedgerState, state: LedgerEntry['state'], version?: number) =>
  entries.findLast(
    (entry) => entry.state === state && (version === undefined || entry.version === version),
  );

const drafted = (
  { head }: LedgerState,
  state: LedgerEntry['state'],
  version: number,
  { by, reason, at }: Operator,
): LedgerDraft => ({ model: head.model, state, version, by, reason, at });

type GateOutcome = 'passed' | 'rejected';

/**
 * Makes a version live, whichever was before. What its gate refused has to be forced, and the ledger
 * remembers that it was.
 */
export function approve(
  ledger: LedgerState,
  wish: Operator & {
    readonly version: number;
    readonly gate: GateOutcome;
    readonly override: boolean;
  },
): Decision<{ readonly why: 'gate' }> {
  const { version, gate, override } = wish;
  const inForce = ledger.head.live === version && last(ledger, 'live', version);
  if (inForce) return { outcome: 'in_force', entry: inForce };
  if (gate === 'rejected' && !override) return { outcome: 'refused', why: 'gate' };
  const draft = drafted(ledger, 'live', version, wish);
  return {
    outcome: 'append',
    draft: gate === 'rejected' ? { ...draft, override: true } : draft,
  };
}

/** Sets a staged version aside: it does not go live by itself, and no longer waits for approval. */
export function reject(
  ledger: LedgerState,
  wish: Operator & { readonly version: number },
): Decision<{ readonly why: 'live' | 'not_staged' }> {
  const { head, entries } = ledger;
  const { version } = wish;
  if (head.live === version) return { outcome: 'refused', why: 'live' };
  if (head.staged === version) {
    return { outcome: 'append', draft: drafted(ledger, 'rejected', version, wish) };
  }
  const newest = entries.findLast((entry) => entry.version === version);
  return newest?.state === 'rejected'
    ? { outcome: 'in_force', entry: newest }
    : { outcome: 'refused', why: 'not_staged' };
}

/** No version answers any more, and no run starts, until a version is approved or rolled back to. */
export function retire(
  ledger: LedgerState,
  wish: Operator,
): Decision<{ readonly why: 'nothing_to_retire' }> {
  const { head } = ledger;
  const inForce = head.retired && last(ledger, 'retired');
  if (inForce) return { outcome: 'in_force', entry: inForce };
  const version = head.live ?? head.staged;
  if (version === undefined) return { outcome: 'refused', why: 'nothing_to_retire' };
  return { outcome: 'append', draft: drafted(ledger, 'retired', version, wish) };
}

/** A version that was live before, and what is known of how it served. */
export interface Candidate {
  readonly version: number;
  readonly healthy: boolean;
  readonly reason: string;
}

/** Versions that a rollback may lead to, the one that was live last first; not the one that is. */
export function rollbackCandidates(
  { head, entries }: LedgerState,
  health: ReadonlyMap<number, VersionHealth>,
): Candidate[] {
  const newestFirst = livePeriods(entries)
    .map(({ version }) => version)
    .reverse();
  return [...new Set(newestFirst)]
    .filter((version) => version !== head.live)
    .map((version) => {
      const { healthy, reason } = servedHealthily(entries, health.get(version), version);
      return { version, healthy, reason };
    });
}

export type RollbackRefusal =
  | { readonly why: 'nothing_live' }
  | { readonly why: 'live_changed'; readonly live: number | undefined }
  | { readonly why: 'never_live' }
  | { readonly why: 'none_healthy'; readonly candidates: readonly Candidate[] };

/**
 * One entry back: to the last version that served healthily, or to a named one that was live before. From
 * a retired model it leads back to the last one that served healthily, which may be the retired one.
 */
export function rollBack(
  ledger: LedgerState,
  wish: Operator & {
    /** The version that whoever decides saw live: another one is not theirs to replace. */
    readonly from: number | undefined;
    readonly to?: number | undefined;
    readonly health: ReadonlyMap<number, VersionHealth>;
  },
): Decision<RollbackRefusal> {
  const { head } = ledger;
  const { from, to } = wish;
  if (head.live === undefined && !head.retired) return { outcome: 'refused', why: 'nothing_live' };
  const inForce = to !== undefined && head.live === to && last(ledger, 'live', to);
  if (inForce) return { outcome: 'in_force', entry: inForce };
  if (head.live !== from) return { outcome: 'refused', why: 'live_changed', live: head.live };
  const candidates = rollbackCandidates(ledger, wish.health);
  const target = candidates.find(({ version, healthy }) =>
    to === undefined ? healthy : version === to,
  );
  if (!target) {
    return to === undefined
      ? { outcome: 'refused', why: 'none_healthy', candidates }
      : { outcome: 'refused', why: 'never_live' };
  }
  return {
    outcome: 'append',
    draft: {
      ...drafted(ledger, 'live', target.version, wish),
      ...(from !== undefined && { rolledBackFrom: from }),
      // What was forced once stays so.
      ...(last(ledger, 'live', target.version)?.override && { override: true }),
    },
  };
}

/**
 * What a run may do with the version that it registered: a person who set it aside, or retired the
 * model, while the run was under way has decided. What the run itself did before stays done.
 */
export function deliver(
  ledger: LedgerState,
  draft: LedgerDraft,
): Decision<{ readonly why: 'retired' | 'set_aside'; readonly entry: LedgerEntry }> {
  const { head, entries } = ledger;
  const existing = entryInForce(ledger, draft);
  if (existing) return { outcome: 'in_force', entry: existing };
  const retired = head.retired && last(ledger, 'retired');
  if (retired) return { outcome: 'refused', why: 'retired', entry: retired };
  const newest = entries.findLast(({ version }) => version === draft.version);
  return newest?.state === 'rejected'
    ? { outcome: 'refused', why: 'set_aside', entry: newest }
    : { outcome: 'append', draft };
}
