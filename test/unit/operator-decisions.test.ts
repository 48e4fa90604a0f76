import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  foldEntries,
  formerlyLive,
  type LedgerState,
  liveAt,
  nextEntry,
} from '../../core/delivery/ledger.ts';
import type { LedgerEntry } from '../../core/delivery/ledger-entry.ts';
import {
  approve,
  type Decision,
  deliver,
  reject,
  retire,
  rollBack,
} from '../../core/delivery/operator-decisions.ts';
import {
  lastingAlarms,
  noteHealth,
  type VersionHealth,
} from '../../core/delivery/version-health.ts';
import type { RetrainingAlarm } from '../../core/model/retraining-section.ts';

const model = 'churn';
const moment = (n: number) => new Date(Date.UTC(2026, 2, 1) + n * 60_000).toISOString();

const version = fc.integer({ min: 1, max: 4 });
const mostly = fc.constantFrom(true, true, true, false);
const action = fc.oneof(
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('stage' as const), version }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('promote' as const), version }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('approve' as const),
      version,
      gate: fc.constantFrom('passed' as const, 'rejected' as const),
      override: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('reject' as const), version }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('rollback' as const),
      to: fc.option(version, { nil: undefined, freq: 1 }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('retire' as const) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('check' as const),
      answered: mostly,
      healthy: mostly,
    }),
  },
  {
    // A check that looked at a version which was no longer live when it recorded.
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('late-check' as const),
      version,
      healthy: fc.boolean(),
    }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;
type Of<Kind extends Action['kind']> = Extract<Action, { kind: Kind }>;
// Of any length up to the longest: by itself fast-check makes most of them short.
const histories = fc.array(action, { maxLength: 40, size: 'max' });

/** The real decisions on a ledger and health records in memory; time passes with each action. */
class Platform {
  entries: LedgerEntry[] = [];
  readonly health = new Map<number, VersionHealth>();
  clock = 0;

  get ledger(): LedgerState {
    return { head: foldEntries(model, this.entries), entries: this.entries };
  }

  private apply<Refusal>(decision: Decision<Refusal>): string {
    if ('draft' in decision) {
      this.entries = [...this.entries, nextEntry(this.ledger.head, decision.draft)];
      return 'appended';
    }
    return decision.outcome;
  }

  private record(of: number, answered: boolean, healthy: boolean): void {
    const record = { answered, healthy, reason: 'as it is', at: moment(this.clock) };
    this.health.set(of, noteHealth(this.health.get(of), { model, version: of }, record));
  }

  do(wish: Action): string {
    this.clock += 1;
    const operator = { by: 'ada', reason: 'because', at: moment(this.clock) };
    const { head } = this.ledger;
    switch (wish.kind) {
      case 'stage':
      case 'promote': {
        const state = wish.kind === 'stage' ? 'staged' : 'live';
        const runId = `run-${this.clock}`;
        return this.apply(
          deliver(this.ledger, { ...operator, model, state, version: wish.version, runId }),
        );
      }
      case 'approve':
        return this.apply(approve(this.ledger, { ...operator, ...wish }));
      case 'reject':
        return this.apply(reject(this.ledger, { ...operator, ...wish }));
      case 'retire':
        return this.apply(retire(this.ledger, operator));
      case 'rollback':
        return this.apply(
          rollBack(this.ledger, {
            ...operator,
            to: wish.to,
            from: head.live,
            health: this.health,
          }),
        );
      case 'check':
        if (head.live !== undefined) this.record(head.live, wish.answered, wish.healthy);
        return 'checked';
      case 'late-check':
        if (head.live !== wish.version) this.record(wish.version, false, wish.healthy);
        return 'checked';
    }
  }
}

/** What should come of it, kept as plainly as can be: no ledger, no periods, no records. */
class Expected {
  live: number | undefined;
  staged: number | undefined;
  retired = false;
  /** Versions in the order in which they last went live. */
  order: number[] = [];
  bad = new Set<number>();
  aside = new Set<number>();
  answered = new Set<number>();
  lastHealth = new Map<number, boolean>();

  private goLive(which: number): void {
    this.live = which;
    this.retired = false;
    this.order = [...this.order.filter((other) => other !== which), which];
    this.bad.delete(which);
    this.aside.delete(which);
    if (this.staged === which) this.staged = undefined;
  }

  rollbackTarget(): number | undefined {
    return this.order.findLast(
      (candidate) =>
        candidate !== this.live &&
        !this.bad.has(candidate) &&
        !this.aside.has(candidate) &&
        this.answered.has(candidate) &&
        this.lastHealth.get(candidate) === true,
    );
  }

  private readonly turns: { [Kind in Action['kind']]: (wish: Of<Kind>) => void } = {
    check: ({ answered, healthy }) => {
      if (this.live === undefined) return;
      if (answered) this.answered.add(this.live);
      this.lastHealth.set(this.live, healthy);
    },
    'late-check': () => undefined,
    stage: ({ version: which }) => {
      if (this.mayDeliver(which)) this.staged = which;
    },
    promote: ({ version: which }) => {
      if (this.mayDeliver(which)) this.goLive(which);
    },
    approve: ({ version: which, gate, override }) => {
      if (this.live !== which && (gate === 'passed' || override)) this.goLive(which);
    },
    reject: ({ version: which }) => {
      if (this.staged !== which) return;
      this.staged = undefined;
      this.aside.add(which);
    },
    rollback: (wish) => {
      if (this.live === undefined && !this.retired) return;
      const to = wish.to ?? this.rollbackTarget();
      if (to === undefined || to === this.live || !this.order.includes(to)) return;
      const from = this.live;
      this.goLive(to);
      if (from !== undefined) this.bad.add(from);
    },
    retire: () => {
      if (this.live === undefined && this.staged === undefined) return;
      this.retired = true;
      this.live = undefined;
      this.staged = undefined;
    },
  };

  private mayDeliver(which: number): boolean {
    return !this.retired && !this.aside.has(which) && this.live !== which;
  }

  do<Kind extends Action['kind']>(wish: Of<Kind>): void {
    (this.turns[wish.kind] as (wish: Of<Kind>) => void)(wish);
  }
}

describe('what operators decide', () => {
  it('comes out as in a plain account of it, whatever the history', () => {
    fc.assert(
      fc.property(histories, (wishes) => {
        const platform = new Platform();
        const expected = new Expected();
        const answered: (number | undefined)[] = [];
        for (const wish of wishes) {
          const before = platform.entries.length;
          platform.do(wish);
          expected.do(wish);
          const { live, staged, retired } = platform.ledger.head;
          expect({ live, staged, retired: retired ?? false }).toEqual({
            live: expected.live,
            staged: expected.staged,
            retired: expected.retired,
          });
          expect(platform.entries.length - before).toBeLessThanOrEqual(1);
          answered.push(live);
        }
        expect(wishes.map((_, i) => liveAt(platform.entries, moment(i + 1)))).toEqual(answered);
        expect(platform.entries.map(({ sequence }) => sequence)).toEqual(
          platform.entries.map((_, i) => i + 1),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  it('says the same when it is decided again, but for a rollback, which goes one further', () => {
    fc.assert(
      fc.property(histories, action, (wishes, wish) => {
        const platform = new Platform();
        for (const one of wishes) platform.do(one);
        platform.do(wish);
        const { length } = platform.entries;
        if (wish.kind !== 'rollback') {
          platform.do(wish);
          expect(platform.entries).toHaveLength(length);
        }
      }),
    );
  });

  it('leaves no version that was rolled back from to fall back on', () => {
    fc.assert(
      fc.property(histories, (wishes) => {
        const platform = new Platform();
        const expected = new Expected();
        for (const wish of wishes) {
          platform.do(wish);
          expected.do(wish);
        }
        const plain = expected.order.filter((one) => !expected.bad.has(one)).reverse();
        expect(formerlyLive(platform.entries)).toEqual(plain);
      }),
    );
  });
});

describe('a rollback', () => {
  const served = (...versions: number[]) => {
    const platform = new Platform();
    for (const one of versions) {
      platform.do({ kind: 'promote', version: one });
      platform.do({ kind: 'check', answered: true, healthy: true });
    }
    return platform;
  };
  const wish = (platform: Platform, from: number | undefined) => ({
    by: 'ada',
    reason: 'errors',
    at: moment(99),
    from,
    health: platform.health,
  });

  it('is one entry that names what it leaves', () => {
    const platform = served(1, 2, 3);
    expect(rollBack(platform.ledger, wish(platform, 3))).toEqual({
      outcome: 'append',
      draft: {
        model,
        state: 'live',
        version: 2,
        by: 'ada',
        reason: 'errors',
        at: moment(99),
        rolledBackFrom: 3,
      },
    });
  });

  it('does not replace a version that whoever decides did not see live', () => {
    const platform = served(1, 2, 3);
    expect(rollBack(platform.ledger, wish(platform, 2))).toEqual({
      outcome: 'refused',
      why: 'live_changed',
      live: 3,
    });
  });

  it('does not choose a version that was forced and served badly, and says why', () => {
    const platform = served(1);
    platform.do({ kind: 'approve', version: 2, gate: 'rejected', override: true });
    platform.do({ kind: 'check', answered: true, healthy: false });
    platform.do({ kind: 'promote', version: 3 });
    expect(rollBack(platform.ledger, wish(platform, 3))).toMatchObject({ draft: { version: 1 } });
    const only = { ...wish(platform, 3), health: new Map([...platform.health].slice(1)) };
    expect(rollBack(platform.ledger, only)).toEqual({
      outcome: 'refused',
      why: 'none_healthy',
      candidates: [
        {
          version: 2,
          healthy: false,
          reason: `it was forced by override, and its last record while live, of ${moment(4)}, is unhealthy: as it is`,
        },
        { version: 1, healthy: false, reason: 'no check looked at it while it was live' },
      ],
    });
  });

  it('goes to a named version that served before, whatever its record, and keeps that it was forced', () => {
    const platform = served(1);
    platform.do({ kind: 'approve', version: 2, gate: 'rejected', override: true });
    platform.do({ kind: 'promote', version: 3 });
    expect(rollBack(platform.ledger, { ...wish(platform, 3), to: 2 })).toMatchObject({
      draft: { version: 2, rolledBackFrom: 3, override: true },
    });
    expect(rollBack(platform.ledger, { ...wish(platform, 3), to: 4 })).toEqual({
      outcome: 'refused',
      why: 'never_live',
    });
  });
});

describe("a run's delivery", () => {
  it('is over when a person set its version aside or retired the model meanwhile', () => {
    const platform = new Platform();
    platform.do({ kind: 'promote', version: 1 });
    platform.do({ kind: 'stage', version: 2 });
    platform.do({ kind: 'reject', version: 2 });
    expect(platform.do({ kind: 'promote', version: 2 })).toBe('refused');
    platform.do({ kind: 'retire' });
    expect(platform.do({ kind: 'promote', version: 3 })).toBe('refused');
    expect(platform.ledger.head).toMatchObject({ sequence: 4, retired: true });
  });
});

describe("a version's health", () => {
  it('does not change when a check comes again or late, and keeps that it answered', () => {
    const record = (minute: number, answered: boolean) => ({
      answered,
      healthy: true,
      reason: '',
      at: moment(minute),
    });
    const of = { model, version: 1 };
    const first = noteHealth(undefined, of, record(5, true));
    expect(noteHealth(first, of, record(5, true))).toBe(first);
    expect(noteHealth(first, of, record(4, false))).toBe(first);
    let health = first;
    for (let minute = 6; minute < 100; minute += 1) {
      health = noteHealth(health, of, record(minute, false));
    }
    expect(health.answered).toBe(true);
    expect(health.records).toHaveLength(24);
    expect(health.records.at(-1)?.at).toBe(moment(99));
  });

  it('knows an alarm that lasts: one that every check is about that is kept', () => {
    const of = { model, version: 1 };
    const record = (minute: number, alarms?: RetrainingAlarm[]) => ({
      ...{ answered: true, healthy: true, reason: '', at: moment(minute) },
      ...(alarms && { alarms }),
    });
    const checked = (from: number, to: number, before?: VersionHealth) => {
      let health = before;
      for (let minute = from; minute < to; minute += 1) {
        health = noteHealth(health, of, record(minute, ['features-drifted', 'quality-dropped']));
      }
      return health;
    };
    expect(lastingAlarms(undefined)).toEqual([]);
    expect(lastingAlarms(checked(0, 23))).toEqual([]);
    expect(lastingAlarms(checked(0, 24))).toEqual([
      { alarm: 'features-drifted', since: moment(0) },
      { alarm: 'quality-dropped', since: moment(0) },
    ]);
    const once = noteHealth(checked(0, 24), of, record(24, ['quality-dropped']));
    expect(lastingAlarms(once)).toEqual([{ alarm: 'quality-dropped', since: moment(1) }]);
    expect(lastingAlarms(checked(25, 48, once))).toEqual([
      { alarm: 'quality-dropped', since: moment(24) },
    ]);
    expect(lastingAlarms(noteHealth(checked(0, 24), of, record(24)))).toEqual([]);
  });
});
