import type { LedgerEntry, LedgerHead } from './ledger-entry.ts';

/** An entry before it has its place in the ledger. */
export type LedgerDraft = Omit<LedgerEntry, 'sequence'>;

/** A ledger as a decision about it finds it. */
export interface LedgerState {
  readonly head: LedgerHead;
  /** Oldest first. */
  readonly entries: readonly LedgerEntry[];
}

/** Entries of a ledger do not follow each other: something else than this code wrote there. */
export class LedgerSequenceError extends Error {
  override readonly name = 'LedgerSequenceError';

  constructor(model: string, expected: number, received: number) {
    super(
      `the ledger of ${model} goes on with entry ${received}, not ${expected}; restore the table to a point in time before it was edited`,
    );
  }
}

/** The head of a ledger without an entry. */
export const emptyHead = (model: string): LedgerHead => ({ model, sequence: 0 });

type Standing = Pick<LedgerHead, 'live' | 'staged' | 'retired' | 'rolledBackFrom'>;

function standingAfter(
  { model: _, sequence, updatedAt, ...before }: LedgerHead,
  entry: LedgerEntry,
) {
  const { state, version, rolledBackFrom } = entry;
  if (state === 'staged') return { ...before, staged: version };
  if (state === 'retired') return { retired: true } satisfies Standing;
  const { staged, ...rest } = before;
  const keep = staged !== undefined && staged !== version && { staged };
  if (state === 'rejected') return { ...rest, ...keep };
  return { live: version, ...keep, ...(rolledBackFrom !== undefined && { rolledBackFrom }) };
}

/**
 * The head after an entry.
 * @throws LedgerSequenceError where the entry is not the next one.
 */
export function applyEntry(head: LedgerHead, entry: LedgerEntry): LedgerHead {
  if (entry.sequence !== head.sequence + 1) {
    throw new LedgerSequenceError(head.model, head.sequence + 1, entry.sequence);
  }
  const { model, sequence, at: updatedAt } = entry;
  return { model, sequence, updatedAt, ...standingAfter(head, entry) };
}

/** The head of a whole ledger. @throws LedgerSequenceError where an entry is missing. */
export const foldEntries = (model: string, entries: readonly LedgerEntry[]): LedgerHead =>
  entries.reduce(applyEntry, emptyHead(model));

/**
 * The draft as the entry after the head. Its time is never before that of the entry before it, even
 * where clocks differ, so that "what was live at T" has one answer.
 */
export const nextEntry = (head: LedgerHead, draft: LedgerDraft): LedgerEntry => ({
  ...draft,
  at: head.updatedAt !== undefined && head.updatedAt > draft.at ? head.updatedAt : draft.at,
  sequence: head.sequence + 1,
});

/** Whether what the draft wants is so already. */
function isInForce({ head, entries }: LedgerState, { state, version }: LedgerDraft): boolean {
  if (state === 'retired') return head.retired === true;
  if (state === 'live') return head.live === version;
  if (state === 'staged') return head.live === version || head.staged === version;
  return entries.findLast((entry) => entry.version === version)?.state === 'rejected';
}

/**
 * The entry that already does what the draft wants, if there is one: written before by the same run
 * (a late repetition must not bring an older version back), or by another and still in force.
 */
export function entryInForce(ledger: LedgerState, draft: LedgerDraft): LedgerEntry | undefined {
  const { entries } = ledger;
  const same = entries.filter(
    ({ state, version }) =>
      state === draft.state && (state === 'retired' || version === draft.version),
  );
  const own = same.find(({ runId }) => runId !== undefined && runId === draft.runId);
  if (own) return own;
  if (!isInForce(ledger, draft)) return undefined;
  return same.at(-1) ?? entries.findLast(({ version }) => version === draft.version);
}

const routes = ({ state }: LedgerEntry): boolean => state === 'live' || state === 'retired';

/** The entry that says who answers after some entries: of the version that is live, or that the model is retired. */
export const routedBy = (entries: readonly LedgerEntry[]): LedgerEntry | undefined =>
  entries.findLast(routes);

/** The entries that were there at an instant (ISO 8601). */
export function until(entries: readonly LedgerEntry[], instant: string): LedgerEntry[] {
  const moment = new Date(instant).getTime();
  return entries.filter(({ at }) => new Date(at).getTime() <= moment);
}

/** The version that answered at an instant (ISO 8601); undefined where none did. */
export function liveAt(entries: readonly LedgerEntry[], instant: string): number | undefined {
  const entry = routedBy(until(entries, instant));
  return entry?.state === 'live' ? entry.version : undefined;
}

/** A time in which a version answered; half open, without an end while it answers. */
export interface LivePeriod {
  readonly version: number;
  readonly from: string;
  readonly to?: string;
  /** The entry that made it live. */
  readonly began: LedgerEntry;
  /** The entry that ended it. */
  readonly ended?: LedgerEntry;
}

/** Who answered when, oldest first. */
export function livePeriods(entries: readonly LedgerEntry[]): LivePeriod[] {
  const turns = entries.filter(routes);
  return turns.flatMap((began, i) => {
    if (began.state !== 'live') return [];
    const ended = turns[i + 1];
    const { version, at: from } = began;
    return [{ version, from, began, ...(ended && { to: ended.at, ended }) }];
  });
}

/**
 * Versions that were live, newest first, that may answer in place of a live one that cannot be loaded:
 * none that was rolled back from since it last went live.
 */
export function formerlyLive(entries: readonly LedgerEntry[]): number[] {
  const last = new Map<number, LivePeriod>();
  for (const period of livePeriods(entries)) {
    // Taken out first, so that the map's order is that of the last time.
    last.delete(period.version);
    last.set(period.version, period);
  }
  const good = [...last.values()].filter(({ ended, version }) => ended?.rolledBackFrom !== version);
  return good.map(({ version }) => version).reverse();
}
