import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetrainingAlarm } from '../../core/model/retraining-section.ts';
import type { RetrainingPolicy } from '../../core/training/retraining-policy.ts';
import { RetrainingWorld } from '../fakes/retraining-world.ts';

type Act = (world: RetrainingWorld) => Promise<unknown> | unknown;

const killed = fc.oneof(
  { arbitrary: fc.constant(undefined), weight: 5 },
  { arbitrary: fc.nat({ max: 9 }), weight: 1 },
);
const end = fc.constantFrom('live', 'live', 'rejected', 'failed');
const alarm = fc.constantFrom(...RetrainingAlarm.options);

const drops = fc.tuple(fc.integer({ min: 0, max: 9 }), killed).map(
  ([rows, k]): Act =>
    (world) =>
      world.drop(rows, 'drop', k),
);
const persons = killed.map(
  (k): Act =>
    (world) =>
      world.drop(0, 'person', k),
);
const alarms = fc.tuple(alarm, killed).map(
  ([name, k]): Act =>
    (world) =>
      world.alarm(name, k),
);
const looks = killed.map(
  (k): Act =>
    (world) =>
      world.look(k),
);
const steps = fc.tuple(end, killed).map(
  ([how, k]): Act =>
    (world) =>
      world.step(how, k),
);
/** As far as the training, or to the end. */
const strides = fc.tuple(fc.constantFrom(3, 4, 6, 6, 6), end).map(
  ([count, how]): Act =>
    async (world) => {
      for (let i = 0; i < count; i += 1) await world.step(how);
    },
);
const others: fc.Arbitrary<Act> = fc.oneof(
  fc.constant<Act>((world) => world.alarmAgain()),
  killed.map(
    (k): Act =>
      (world) =>
        world.deliverNext(k),
  ),
  fc.boolean().map(
    (eventComes): Act =>
      (world) =>
        world.fail(eventComes),
  ),
  killed.map(
    (k): Act =>
      (world) =>
        world.retry(k),
  ),
  // A clock that is set right, too.
  fc.constantFrom(-0.3, -0.6, -1.5).map(
    (hours): Act =>
      (world) =>
        world.pass(hours),
  ),
);
const passing = fc.constantFrom(0.02, 1, 1, 5, 24, 24 * 12).map(
  (hours): Act =>
    (world) =>
      world.pass(hours),
);
const history = fc.array(
  fc.oneof(
    { arbitrary: drops, weight: 4 },
    { arbitrary: persons, weight: 1 },
    { arbitrary: alarms, weight: 3 },
    { arbitrary: looks, weight: 3 },
    { arbitrary: steps, weight: 2 },
    { arbitrary: strides, weight: 4 },
    { arbitrary: passing, weight: 2 },
    { arbitrary: others, weight: 4 },
  ),
  { minLength: 5, maxLength: 60, size: 'max' },
);

const worstCaseUsd = 2.3;
const policies: fc.Arbitrary<RetrainingPolicy> = fc.record({
  alarms: fc.constant([...RetrainingAlarm.options]),
  onDrop: fc.constantFrom('train' as const, 'collect' as const),
  minimumLabelledRows: fc.constantFrom(1, 6),
  cooldownHours: fc.constantFrom(0, 4),
  maxAgeDays: fc.constantFrom(undefined, 10),
  monthlyBudgetUsd: fc.constantFrom(undefined, 2.4, 5, 9),
  mode: fc.constant('append' as const),
  worstCaseUsd: fc.constant(worstCaseUsd),
});

/** What the trainings of each month have cost, and may still: by the world's own books. */
function spentByMonth(world: RetrainingWorld): number[] {
  const months = Map.groupBy(world.trainings, ({ month }) => month);
  return [...months.values()].map((trainings) =>
    trainings.reduce((sum, { billedUsd }) => sum + (billedUsd ?? worstCaseUsd), 0),
  );
}

/** Alarms that no version answers yet whose training began after they were heard. */
const unanswered = (world: RetrainingWorld): Set<string> =>
  new Set(
    world.alarms
      .filter(
        ({ at }) => !world.trainings.some(({ began, outcome }) => outcome === 'live' && began > at),
      )
      .map((heard) => heard.alarm),
  );

async function holds(world: RetrainingWorld, policy: RetrainingPolicy): Promise<void> {
  expect(world.active().length).toBeLessThanOrEqual(1);
  for (const spent of spentByMonth(world)) {
    expect(spent).toBeLessThanOrEqual((policy.monthlyBudgetUsd ?? Number.POSITIVE_INFINITY) + 1e-6);
  }
  const wanted = new Set((await world.state()).retrainWanted.map(({ kind }) => kind));
  expect([...wanted]).toEqual(expect.arrayContaining([...unanswered(world)]));
}

/** Whether a run has to begin now, from what the world saw and not from what the policy remembers. */
function isDue(world: RetrainingWorld, policy: RetrainingPolicy): boolean {
  const seen = Math.max(0, ...world.trainings.map(({ rows }) => rows));
  // The latest beginning, which a clock that was set back does not undo.
  const began = Math.max(...world.trainings.map(({ startedAt }) => Date.parse(startedAt)));
  const since = (Date.parse(world.now()) - began) / 3_600_000;
  const month = world.month();
  const spent = world.trainings
    .filter((training) => training.month === month)
    .reduce((sum, { billedUsd }) => sum + (billedUsd ?? worstCaseUsd), 0);
  return (
    unanswered(world).size > 0 &&
    world.rows - seen >= policy.minimumLabelledRows &&
    since >= policy.cooldownHours &&
    spent + worstCaseUsd <= (policy.monthlyBudgetUsd ?? Number.POSITIVE_INFINITY)
  );
}

describe('retraining in any history of drops, alarms, ticks, failures, rejections and clocks', () => {
  it('never has two runs at once, never goes over the budget and never loses an alarm', async () => {
    await fc.assert(
      fc.asyncProperty(policies, history, async (policy, happenings) => {
        const world = new RetrainingWorld(policy);
        for (const happen of happenings) {
          await happen(world);
          await holds(world, policy);
        }
        await world.settle();
        await holds(world, policy);
      }),
      { numRuns: 1_500 },
    );
  }, 120_000);

  it('starts a run on the drop that makes a wish’s conditions hold, and on the tick after time did', async () => {
    let due = 0;
    await fc.assert(
      fc.asyncProperty(policies, history, fc.nat({ max: 20 }), async (policy, happenings, rows) => {
        const world = new RetrainingWorld(policy);
        for (const happen of happenings) await happen(world);
        await world.settle();
        // A dead run, and money that was set aside for one, is looked for at a tick, after a while.
        world.pass(0.9);
        await world.look();
        await world.settle();
        const before = world.trainings.length;
        // Labels arrive for what was asked since the alarm.
        await world.drop(rows);
        const isDueNow = isDue(world, policy) && rows >= policy.minimumLabelledRows;
        await world.settle();
        if (isDueNow) {
          due += 1;
          expect(world.trainings.length).toBeGreaterThan(before);
        }
      }),
      { numRuns: 600 },
    );
    // The condition is no rare one.
    expect(due).toBeGreaterThan(20);
  }, 120_000);

  it('answers every wish in the end: with labels, time and money, a version goes live for it', async () => {
    await fc.assert(
      fc.asyncProperty(policies, history, async (policy, happenings) => {
        const world = new RetrainingWorld(policy);
        for (const happen of happenings) await happen(world);
        await world.settle();
        world.pass(0.9);
        await world.drop(policy.minimumLabelledRows);
        await world.settle();
        for (let month = 0; month < 2; month += 1) {
          world.pass(24 * 32);
          // Nobody drops anything more: the tick alone carries the wish.
          await world.look();
          await world.settle();
        }
        expect(unanswered(world)).toEqual(new Set());
        expect((await world.state()).retrainWanted.filter(({ kind }) => kind !== 'age')).toEqual(
          [],
        );
      }),
      { numRuns: 600 },
    );
  }, 120_000);
});
