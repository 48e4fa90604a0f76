import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type CacheBalance, CacheEconomy } from '../../core/inference/cache/cache-economy.ts';

const minute = 60_000;
const window = (costMs: number, savedMs: number): CacheBalance => ({
  rows: 1_000,
  costMs,
  savedMs,
});
const losing = window(10, 5);
const winning = window(5, 10);

/** The states of a cache and its verdicts, after each of some events. */
function play(events: readonly { readonly waitMs: number; readonly balance: CacheBalance }[]) {
  const economy = new CacheEconomy();
  let now = 1_000_000;
  return events.map(({ waitMs, balance }) => {
    now += waitMs;
    const allowed = economy.allows(now);
    const verdict = allowed ? economy.observe(balance, now)?.worth : undefined;
    return { allowed, losing: economy.losing, verdict };
  });
}

const total = (balances: readonly CacheBalance[], part: keyof CacheBalance) =>
  balances.reduce((sum, balance) => sum + balance[part], 0);

/** Whether each whole window of what was seen saved at least as much as it had to. */
function windowsWon(seen: readonly CacheBalance[], margin: number): boolean[] {
  const won: boolean[] = [];
  let from = 0;
  for (let to = 1; to <= seen.length; to += 1) {
    const window = seen.slice(from, to);
    if (total(window, 'rows') < 1_000) continue;
    won.push(total(window, 'savedMs') >= margin * total(window, 'costMs'));
    from = to;
  }
  return won;
}

/** Whether it is worth it; undefined while nothing tells. */
function judged(won: readonly boolean[], isOut: boolean): boolean | undefined {
  if (isOut && won.includes(true)) return true;
  return won.length >= 3 && !won.slice(-3).includes(true) ? false : undefined;
}

/** The same by definition: from all that was seen since it was last judged, again for each event. */
function byDefinition(events: Parameters<typeof play>[0]): ReturnType<typeof play> {
  let out = { is: false, since: Number.NEGATIVE_INFINITY };
  let seen: CacheBalance[] = [];
  let now = 1_000_000;
  return events.map(({ waitMs, balance }) => {
    now += waitMs;
    if (out.is && now - out.since < 10 * minute) {
      return { allowed: false, losing: true, verdict: undefined };
    }
    seen.push(balance);
    const found = judged(windowsWon(seen, out.is ? 1.25 : 1), out.is);
    const verdict = found === undefined || found === !out.is ? undefined : found;
    if (found !== undefined) {
      out = { is: !found, since: now };
      seen = [];
    }
    return { allowed: true, losing: out.is, verdict };
  });
}

describe('whether a cache pays', () => {
  test('is judged after three windows in a row that cost more than they saved', () => {
    const events = [losing, losing, winning, losing, losing, losing].map((balance) => ({
      waitMs: 1,
      balance,
    }));
    const played = play(events);
    expect(played.map(({ verdict }) => verdict)).toEqual([...Array(5).fill(undefined), false]);
    expect(played.map(({ losing: lost }) => lost)).toEqual([...Array(5).fill(false), true]);
  });

  test('is tried again after ten minutes, and has to save clearly more then', () => {
    const lost = Array.from({ length: 3 }, () => ({ waitMs: 0, balance: losing }));
    const even = { waitMs: 0, balance: window(10, 12) };
    expect(play([...lost, { ...even, waitMs: 10 * minute - 1 }]).at(-1)).toMatchObject({
      allowed: false,
    });
    expect(play([...lost, { ...even, waitMs: 10 * minute }]).at(-1)).toEqual({
      allowed: true,
      losing: true,
      verdict: undefined,
    });
    const clear = { waitMs: 10 * minute, balance: window(10, 13) };
    expect(play([...lost, clear]).at(-1)).toEqual({ allowed: true, losing: false, verdict: true });
    // After three more windows that do not, it is left out for another ten minutes, without a word.
    const again = [{ ...even, waitMs: 10 * minute }, even, even];
    expect(play([...lost, ...again]).at(-1)?.verdict).toBeUndefined();
    expect(play([...lost, ...again, even]).at(-1)?.allowed).toBe(false);
  });

  test('is as its definition says, whatever happens', () => {
    const event = fc.record({
      waitMs: fc.oneof(fc.nat(1_000), fc.nat(11 * minute)),
      balance: fc.record({
        rows: fc.integer({ min: 1, max: 1_500 }),
        costMs: fc.integer({ min: 0, max: 20 }),
        savedMs: fc.integer({ min: 0, max: 20 }),
      }),
    });
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), (events) => {
        expect(play(events)).toEqual(byDefinition(events));
      }),
      { numRuns: 500 },
    );
  });

  test('does not wait on a clock that was set back', () => {
    const economy = new CacheEconomy();
    for (let i = 0; i < 3; i += 1) economy.observe(losing, 100 * minute);
    expect(economy.allows(100 * minute)).toBe(false);
    expect(economy.allows(1 * minute)).toBe(true);
  });
});
