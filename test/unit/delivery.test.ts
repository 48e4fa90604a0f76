import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyEntry,
  emptyHead,
  entryInForce,
  foldEntries,
  type LedgerDraft,
  liveAt,
  nextEntry,
} from '../../core/delivery/ledger.ts';
import type { LedgerEntry } from '../../core/delivery/ledger-entry.ts';

const model = 'churn';
const second = (n: number) => new Date(Date.UTC(2026, 2, 1) + n * 1_000).toISOString();

const drafts = fc.array(
  fc.record({
    state: fc.constantFrom('staged' as const, 'live' as const),
    version: fc.integer({ min: 1, max: 4 }),
    run: fc.integer({ min: 1, max: 4 }),
    clock: fc.integer({ min: 0, max: 60 }),
  }),
  { maxLength: 30 },
);

/** Appends as the ledger does: nothing where an entry that does the same is there. */
function append(entries: readonly LedgerEntry[], draft: LedgerDraft): LedgerEntry[] {
  const head = foldEntries(model, entries);
  return entryInForce({ head, entries }, draft)
    ? [...entries]
    : [...entries, nextEntry(head, draft)];
}

const historyOf = (wishes: typeof drafts extends fc.Arbitrary<infer T> ? T : never) =>
  wishes.reduce<LedgerEntry[]>(
    (entries, { state, version, run, clock }) =>
      append(entries, {
        model,
        state,
        version,
        reason: 'passed its gate',
        by: 'pipeline',
        runId: `run-${run}`,
        at: second(clock),
      }),
    [],
  );

describe('the deployment ledger', () => {
  it('is numbered without a gap and never goes back in time, whatever the clocks say', () => {
    fc.assert(
      fc.property(drafts, (wishes) => {
        const entries = historyOf(wishes);
        expect(entries.map(({ sequence }) => sequence)).toEqual(entries.map((_, i) => i + 1));
        expect(entries.map(({ at }) => at)).toEqual(entries.map(({ at }) => at).toSorted());
      }),
    );
  });

  it('has a head that names the last live version, and what was staged since', () => {
    fc.assert(
      fc.property(drafts, (wishes) => {
        const entries = historyOf(wishes);
        const head = foldEntries(model, entries);
        const last = (state: string) => entries.findLast((entry) => entry.state === state);
        expect(head.sequence).toBe(entries.length);
        expect(head.live).toBe(last('live')?.version);
        const staged = last('staged');
        const promoted = entries.some(
          ({ state, version, sequence }) =>
            state === 'live' && version === staged?.version && sequence > (staged?.sequence ?? 0),
        );
        expect(head.staged).toBe(promoted ? undefined : staged?.version);
      }),
    );
  });

  it('does not grow when any of its wishes comes again from the same run', () => {
    fc.assert(
      fc.property(drafts, fc.nat(), (wishes, which) => {
        const entries = historyOf(wishes);
        const again = entries[which % Math.max(1, entries.length)];
        if (again) expect(append(entries, { ...again, at: second(99) })).toEqual(entries);
      }),
    );
  });

  it('says of every instant what the newest live entry up to it says', () => {
    fc.assert(
      fc.property(drafts, fc.integer({ min: -1, max: 61 }), (wishes, clock) => {
        const entries = historyOf(wishes);
        let expected: number | undefined;
        for (const { state, at, version } of entries) {
          if (state === 'live' && at <= second(clock)) expected = version;
        }
        expect(liveAt(entries, second(clock))).toBe(expected);
      }),
    );
  });

  it('refuses an entry that is not the next one', () => {
    const entry = {
      model,
      sequence: 2,
      state: 'live',
      version: 1,
      reason: '',
      by: 'ada',
      at: second(1),
    };
    expect(() => applyEntry(emptyHead(model), entry as LedgerEntry)).toThrow(
      'the ledger of churn goes on with entry 2, not 1',
    );
  });

  it('lets a person bring a version back that the same person promoted before', () => {
    const by = (version: number, clock: number): LedgerDraft => ({
      model,
      state: 'live',
      version,
      reason: 'rollback',
      by: 'ada',
      at: second(clock),
    });
    const entries = [by(1, 1), by(2, 2), by(1, 3)].reduce<LedgerEntry[]>(append, []);
    expect(foldEntries(model, entries)).toMatchObject({ sequence: 3, live: 1 });
  });
});
