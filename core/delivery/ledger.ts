import type { LedgerEntry, LedgerHead } from './ledger-entry.ts';

/** An entry before it has its place in the ledger. */
export type LedgerDraft = Omit<LedgerEntry, 'sequence'>;

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

/**
 * The head after an entry.
 * @throws LedgerSequenceError where the entry is not the next one.
 */
export function applyEntry(head: LedgerHead, entry: LedgerEntry): LedgerHead {
  if (entry.sequence !== head.sequence + 1) {
    throw new LedgerSequenceError(head.model, head.sequence + 1, entry.sequence);
  }
  const { model, sequence, at: updatedAt, version } = entry;
  if (entry.state === 'staged') return { ...head, model, sequence, updatedAt, staged: version };
  const { staged, ...rest } = head;
  return {
    ...rest,
    model,
    sequence,
    updatedAt,
    live: version,
    ...(staged !== undefined && staged !== version && { staged }),
  };
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

/**
 * The entry that already does what the draft wants, if there is one: written before by the same run
 * (a late repetition must not bring an older version back), or by another and still in force.
 */
export function entryInForce(
  head: LedgerHead,
  entries: readonly LedgerEntry[],
  draft: LedgerDraft,
): LedgerEntry | undefined {
  const same = entries.filter(
    ({ state, version }) => state === draft.state && version === draft.version,
  );
  const own = same.find(({ runId }) => runId !== undefined && runId === draft.runId);
  if (own) return own;
  const inForce =
    head.live === draft.version || (draft.state === 'staged' && head.staged === draft.version);
  if (!inForce) return undefined;
  return same.at(-1) ?? entries.findLast(({ version }) => version === draft.version);
}

/** The version that answered at an instant (ISO 8601, UTC); undefined before the first one. */
export const liveAt = (entries: readonly LedgerEntry[], instant: string): number | undefined => {
  const moment = new Date(instant).getTime();
  return entries.findLast(({ state, at }) => state === 'live' && new Date(at).getTime() <= moment)
    ?.version;
};
