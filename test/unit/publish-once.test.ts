import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type Destination,
  type KeptResult,
  type NewResult,
  noteMs,
  type Outcome,
  publishOnce,
  type ResultStore,
} from '../../core/inference/streams/publish-once.ts';

/** What may go wrong with one call. */
const faults = [
  'none',
  'dies before',
  'dies after',
  'refused',
  'throttled',
  'no answer',
  'stands still',
] as const;
type Fault = (typeof faults)[number];
class Died extends Error {}

const destinationNames = ['stream', 'bus'];

/** A store, destinations and a clock that processes reach by calls which interleave and fail as told. */
class World {
  readonly kept = new Map<string, KeptResult>();
  readonly published: { readonly to: string; readonly key: string; readonly text: string }[] = [];
  /** By key: how often a sender died, stood still or got no answer between sending and noting. */
  readonly doubts = new Map<string, number>();
  clock = 1_000_000;
  private calls = 0;
  private readonly schedule: (label: string) => Promise<void>;
  private readonly faults: readonly Fault[];
  private readonly stepMs: readonly number[];

  constructor(
    schedule: (label: string) => Promise<void>,
    faults: readonly Fault[],
    stepMs: readonly number[],
  ) {
    this.schedule = schedule;
    this.faults = faults;
    this.stepMs = stepMs;
  }

  doubt(key: string): void {
    this.doubts.set(key, (this.doubts.get(key) ?? 0) + 1);
  }

  /** One call: its effect happens at once, and what goes wrong goes wrong before or after it. */
  async call<T>(process: Process, effect: (fault: Fault) => T): Promise<T> {
    await this.schedule(process.by);
    if (process.dead) return new Promise(() => undefined);
    const fault = this.faults[this.calls] ?? 'none';
    this.clock += this.stepMs[this.calls % this.stepMs.length] ?? 1;
    if (fault === 'stands still') this.clock += 12_000;
    this.calls += 1;
    if (fault === 'dies before') return process.die();
    if (fault === 'refused') throw new Error('refused');
    const answer = effect(fault);
    if (fault === 'dies after') return process.die();
    await this.schedule(process.by);
    if (fault === 'no answer') throw new Error('no answer');
    return answer;
  }
}

/** One attempt of one delivery. */
class Process {
  dead = false;
  /** Sent and not yet noted, by when it was. */
  readonly open = new Map<string, number>();
  readonly by: string;
  private readonly world: World;
  private readonly death = Promise.withResolvers<never>();

  constructor(world: World, by: string) {
    this.world = world;
    this.by = by;
  }

  die(): Promise<never> {
    this.dead = true;
    for (const key of this.open.keys()) this.world.doubt(key);
    this.death.reject(new Died());
    return new Promise(() => undefined);
  }

  store(): ResultStore {
    const { world } = this;
    return {
      keep: (result, claim) =>
        world.call(this, () => {
          const kept = world.kept.get(result.key) ?? { ...result, claim, sentTo: [] };
          world.kept.set(result.key, kept);
          return kept;
        }),
      claim: (seen, claim) =>
        world.call(this, () => {
          const kept = world.kept.get(seen.key);
          if (!kept || JSON.stringify(kept) !== JSON.stringify(seen)) return kept ?? seen;
          world.kept.set(seen.key, { ...kept, claim });
          return { ...kept, claim };
        }),
      note: async ({ key }, sentTo) => {
        try {
          await world.call(this, () => {
            const kept = world.kept.get(key);
            // Whoever stands still between sending and noting may find that another one went on.
            if (world.clock - (this.open.get(key) ?? world.clock) > noteMs) world.doubt(key);
            if (kept?.claim?.by !== this.by) return;
            world.kept.set(key, { ...kept, claim: undefined, sentTo });
          });
        } catch (error) {
          if (this.open.has(key)) world.doubt(key);
          throw error;
        } finally {
          this.open.delete(key);
        }
      },
    };
  }

  destination(name: string): Destination {
    const { world } = this;
    return {
      name,
      send: (results, deadlineMs) =>
        world.call(this, (fault) => {
          if (world.clock >= deadlineMs) {
            return new Map(results.map(({ key }) => [key, new Error('late')]));
          }
          const taken = results.filter((_, at) => fault !== 'throttled' || at % 2 === 1);
          for (const { key, text } of taken) {
            world.published.push({ to: name, key, text });
            if (!this.open.has(key)) this.open.set(key, world.clock);
            if (fault === 'no answer') world.doubt(key);
          }
          const refused = results.filter((result) => !taken.includes(result));
          return new Map(refused.map(({ key }) => [key, new Error('throttled')]));
        }),
    };
  }

  run(keys: readonly string[]): Promise<ReadonlyMap<string, Outcome>> {
    const { world } = this;
    const results = keys.map(
      (key): NewResult => ({ key, eventId: key, text: `${key} as ${this.by} says` }),
    );
    const work = publishOnce(results, {
      store: this.store(),
      destinations: destinationNames.map((name) => this.destination(name)),
      by: this.by,
      deadlineMs: world.clock + 30_000,
      now: () => world.clock,
      pause: async (ms) => {
        const until = world.clock + ms;
        await world.call(this, () => undefined).catch(() => undefined);
        world.clock = Math.max(world.clock, until);
      },
      onUnnoted: () => undefined,
    });
    return Promise.race([work, this.death.promise]);
  }
}

/** It says that something is published only where it is. */
function expectPublished(world: World, outcomes: ReadonlyMap<string, Outcome>): void {
  for (const [key, { outcome }] of outcomes) {
    if (outcome === 'failed') continue;
    for (const to of destinationNames) {
      expect(world.published.some((sent) => sent.key === key && sent.to === to)).toBe(true);
    }
  }
}

/** Delivers a batch until every event of it is done with. */
async function deliver(world: World, name: string, keys: readonly string[]): Promise<number> {
  for (let attempt = 1; ; attempt++) {
    try {
      const outcomes = await new Process(world, `${name}.${attempt}`).run(keys);
      expectPublished(world, outcomes);
      if ([...outcomes.values()].every(({ outcome }) => outcome !== 'failed')) return attempt;
    } catch (error) {
      if (!(error instanceof Died)) throw error;
    }
  }
}

const keys = fc.constantFrom('a', 'b', 'c', 'd');
const history = {
  batches: fc.array(fc.array(keys, { minLength: 1, maxLength: 5 }), { minLength: 1, maxLength: 4 }),
  stepMs: fc.array(fc.integer({ min: 1, max: 900 }), { minLength: 1, maxLength: 7 }),
};

describe('publishing once', () => {
  it('holds through deaths, refusals, lost answers, duplicates and any interleaving', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        history.batches,
        history.stepMs,
        fc.array(fc.constantFrom(...faults), { maxLength: 60 }),
        async (scheduler, batches, stepMs, wrong) => {
          const world = new World(
            (label) => scheduler.schedule(Promise.resolve(), label),
            wrong,
            stepMs,
          );
          const delivered = batches.map((batch, at) => deliver(world, `delivery ${at}`, batch));
          await scheduler.waitFor(Promise.all(delivered));
          for (const key of new Set(batches.flat())) {
            expect(world.kept.get(key)).toMatchObject({ text: expect.stringContaining(key) });
            for (const to of destinationNames) {
              const sent = world.published.filter((each) => each.key === key && each.to === to);
              expect(sent.length).toBeGreaterThanOrEqual(1);
              // Every sending has the same bytes, and more than one only where a window was open.
              expect(new Set(sent.map(({ text }) => text)).size).toBe(1);
              expect(sent.length).toBeLessThanOrEqual(1 + (world.doubts.get(key) ?? 0));
            }
          }
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('sends in the order of the events, each once, and tells whose result it was', async () => {
    const world = new World(async () => undefined, [], [1]);
    const first = await new Process(world, 'one').run(['c', 'a', 'c', 'b']);
    expect(world.published.map(({ to, key }) => `${to} ${key}`)).toEqual(
      destinationNames.flatMap((to) => ['c', 'a', 'b'].map((key) => `${to} ${key}`)),
    );
    expect(first.get('a')).toEqual({ outcome: 'published', first: true });
    const again = await new Process(world, 'two').run(['a']);
    expect(again.get('a')).toEqual({ outcome: 'known', first: false });
    expect(world.published).toHaveLength(6);
  });

  it('waits for one who died while it was sending, and sends what that one kept', async () => {
    // Two keeps go well; the third call sends to the stream, and is the last that the first process makes.
    const world = new World(async () => undefined, ['none', 'none', 'dies before'], [1]);
    await expect(new Process(world, 'one').run(['a', 'b'])).rejects.toThrow(Died);
    const began = world.clock;
    const outcomes = await new Process(world, 'two').run(['a', 'b']);
    expect(outcomes.get('a')).toEqual({ outcome: 'published', first: false });
    expect(world.clock - began).toBeGreaterThan(20_000);
    expect(world.published.map(({ text }) => text)).toEqual(
      destinationNames.flatMap(() => ['a as one says', 'b as one says']),
    );
  });

  it('leaves to the next delivery what a destination does not take, and offers it to no other', async () => {
    const world = new World(async () => undefined, ['none', 'refused'], [1]);
    const outcomes = await new Process(world, 'one').run(['a']);
    expect(outcomes.get('a')).toMatchObject({ outcome: 'failed', first: true });
    expect(world.published).toEqual([]);
    expect((await new Process(world, 'two').run(['a'])).get('a')).toEqual({
      outcome: 'published',
      first: false,
    });
  });
});
