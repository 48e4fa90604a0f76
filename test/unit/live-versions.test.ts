import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { LedgerHead } from '../../core/delivery/ledger-entry.ts';
import { instancesParser } from '../../core/inference/parse-instances.ts';
import { type Failure, LiveVersions } from '../../core/inference/versions/live-versions.ts';
import type { LoadedVersion } from '../../core/inference/versions/loaded-version.ts';
import { featureSpec, signature } from '../builders/model-version.ts';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

/** A ledger, an artifact store and a clock that a test moves by hand. */
class World {
  readonly refreshed: boolean;
  constructor(kind: 'function' | 'server' = 'function') {
    this.refreshed = kind === 'server';
  }
  now = 1_000_000;
  head: Partial<LedgerHead> = { live: 1 };
  headFails = false;
  headReads = 0;
  former: number[] = [];
  corrupt = new Set<number>();
  slow = new Map<number, Promise<void>>();
  slowHead: Promise<void> | undefined;
  loads: number[] = [];
  released: number[] = [];
  failures: Failure[] = [];

  private made: LiveVersions | undefined;
  get versions(): LiveVersions {
    this.made ??= new LiveVersions({
      model: 'parcel-weight',
      now: () => this.now,
      refreshed: this.refreshed,
      head: async () => {
        this.headReads += 1;
        await this.slowHead;
        if (this.headFails) throw new Error('unreachable registry');
        return { model: 'parcel-weight', sequence: 1, ...this.head };
      },
      formerlyLive: async () => this.former,
      load: async (version) => {
        this.loads.push(version);
        await this.slow.get(version);
        if (this.corrupt.has(version)) throw new Error(`corrupt version ${version}`);
        return this.loaded(version);
      },
      onFailure: (failure) => this.failures.push(failure),
    });
    return this.made;
  }

  private loaded(version: number): LoadedVersion {
    return {
      model: 'parcel-weight',
      version,
      identity: { modelSha256: '00', featuresSha256: '00' },
      signature: signature(),
      spec: featureSpec(),
      parse: instancesParser(signature()),
      session: {
        run: async () => ({ predictions: Float32Array.of(version) }),
        release: async () => {
          this.released.push(version);
        },
      },
    };
  }

  answering = (): Promise<number> => this.versions.use(async ({ version }) => version);
}

describe('the live version', () => {
  test('is read from the ledger at most once a second, and always after that', async () => {
    const world = new World();
    expect(await world.answering()).toBe(1);
    world.head = { live: 2 };
    world.now += 999;
    expect(await world.answering()).toBe(1);
    world.now += 1;
    expect(await world.answering()).toBe(2);
    expect(world.headReads).toBe(2);
    expect(world.released).toEqual([1]);
  });

  test('is up to date at once in an environment that was frozen, whatever its clock did', async () => {
    const world = new World();
    await world.answering();
    world.head = { live: 2 };
    world.now -= 3_600_000;
    expect(await world.answering()).toBe(2);
  });

  test('stays the last known one while the registry cannot be reached', async () => {
    const world = new World();
    await world.answering();
    world.headFails = true;
    world.now += 60_000;
    expect(await world.answering()).toBe(1);
    expect(world.failures).toMatchObject([{ what: 'head' }]);
  });

  test('is loaded while it is staged, before it is live', async () => {
    const world = new World();
    world.head = { live: 1, staged: 2 };
    expect(await world.answering()).toBe(1);
    expect(world.loads).toEqual([1, 2]);
    world.head = { live: 2 };
    world.now += 1_000;
    expect(await world.answering()).toBe(2);
    expect(world.loads).toEqual([1, 2]);
  });

  test('stays the previous one when the new one is corrupt, which is counted and tried again', async () => {
    const world = new World();
    await world.answering();
    world.head = { live: 2 };
    world.corrupt.add(2);
    world.now += 1_000;
    expect(await world.answering()).toBe(1);
    expect(await world.answering()).toBe(1);
    expect(world.failures).toMatchObject([{ what: 'load', version: 2 }]);
    expect(world.released).toEqual([]);
    world.corrupt.clear();
    world.now += 5_000;
    expect(await world.answering()).toBe(2);
  });

  test('is the last one that was live where a new environment finds the live one corrupt', async () => {
    const world = new World();
    world.head = { live: 3 };
    world.former = [3, 2, 1];
    world.corrupt.add(3).add(2);
    expect(await world.answering()).toBe(1);
    expect(world.loads).toEqual([3, 2, 1]);
  });

  test('is not waited for long while an older one can answer', async () => {
    const world = new World();
    await world.answering();
    let finish = () => {};
    world.slow.set(2, new Promise<void>((resolve) => (finish = resolve)));
    world.head = { live: 2 };
    world.now += 1_000;
    const first = world.answering();
    expect(await first).toBe(1);
    world.now += 900;
    expect(await world.answering()).toBe(1);
    finish();
    await new Promise((resolve) => setImmediate(resolve));
    expect(await world.answering()).toBe(2);
    expect(world.loads).toEqual([1, 2]);
  });

  test('stays loaded until the calls that use it are done', async () => {
    const world = new World();
    let finish = () => {};
    const held = world.versions.use(
      ({ session }) =>
        new Promise<unknown>((resolve) => {
          finish = () =>
            resolve(session.run({ kind: 'features', rows: 0, features: new Float32Array() }));
        }),
    );
    await new Promise((resolve) => setImmediate(resolve));
    world.head = { live: 2 };
    world.now += 1_000;
    expect(await world.answering()).toBe(2);
    expect(world.released).toEqual([]);
    finish();
    await held;
    expect(world.released).toEqual([1]);
  });

  test('is loaded once, however many ask at the same time', async () => {
    const world = new World();
    const answers = await Promise.all(Array.from({ length: 20 }, world.answering));
    expect(new Set(answers)).toEqual(new Set([1]));
    expect(world.loads).toEqual([1]);
    expect(world.headReads).toBe(1);
  });

  test('is missing before anything went live, and that is told with what to do', async () => {
    const world = new World();
    world.head = {};
    await expect(world.answering()).rejects.toMatchObject({
      name: 'NotLiveError',
      message: expect.stringContaining('drop data into landing/parcel-weight/'),
    });
    world.head = { live: 1 };
    world.now += 1_000;
    expect(await world.answering()).toBe(1);
  });

  test('is no longer any while the model is retired, and is loaded again when it comes back', async () => {
    const world = new World();
    await world.answering();
    world.head = { retired: true };
    expect(await world.answering()).toBe(1);
    world.now += 1_000;
    await expect(world.answering()).rejects.toMatchObject({
      name: 'RetiredError',
      message: expect.stringContaining('slipway rollback parcel-weight'),
    });
    expect(world.released).toEqual([1]);
    world.head = { live: 1 };
    world.now += 1_000;
    expect(await world.answering()).toBe(1);
    expect(world.loads).toEqual([1, 1]);
  });

  test('is waited for where it is rolled back to, because the one before is bad', async () => {
    const world = new World();
    world.head = { live: 2 };
    await world.answering();
    let finish = () => {};
    world.slow.set(1, new Promise<void>((resolve) => (finish = resolve)));
    world.head = { live: 1, rolledBackFrom: 2 };
    world.now += 1_000;
    const asked = world.answering();
    // Far longer than a newer version would be waited for.
    world.now += 5_000;
    const askedLater = world.answering();
    await new Promise((resolve) => setImmediate(resolve));
    finish();
    expect(await Promise.all([asked, askedLater])).toEqual([1, 1]);
    expect(world.released).toEqual([2]);
  });

  test('that is rolled back to and is corrupt gives way to an earlier one, not to the one that is bad', async () => {
    const world = new World();
    world.head = { live: 3 };
    await world.answering();
    world.head = { live: 2, rolledBackFrom: 3 };
    world.former = [2, 1];
    world.corrupt.add(2);
    world.now += 1_000;
    expect(await world.answering()).toBe(1);
    expect(await world.answering()).toBe(1);
    expect(world.failures).toMatchObject([{ what: 'load', version: 2 }]);
    expect(world.loads).toEqual([3, 2, 1]);
  });

  test('goes on being the bad one where nothing that is better can be loaded', async () => {
    const world = new World();
    world.head = { live: 2 };
    await world.answering();
    world.head = { live: 1, rolledBackFrom: 2 };
    world.former = [1];
    world.corrupt.add(1);
    world.now += 1_000;
    expect(await world.answering()).toBe(2);
    world.corrupt.clear();
    world.now += 5_000;
    expect(await world.answering()).toBe(1);
  });

  test('cannot be told while nothing is loaded and the registry is unreachable', async () => {
    const world = new World();
    world.headFails = true;
    await expect(world.answering()).rejects.toMatchObject({ name: 'NoVersionLoadedError' });
    world.headFails = false;
    expect(await world.answering()).toBe(1);
  });
});

/** Something that ends when a test says so. */
function held() {
  let end = () => {};
  const until = new Promise<void>((resolve) => {
    end = resolve;
  });
  return { until, end };
}

describe('a use of the live version', () => {
  test('begins at once where everything is in order', async () => {
    const world = new World();
    await world.answering();
    let begun = 0;
    const uses = Array.from({ length: 10 }, () =>
      world.versions.use(async () => {
        begun += 1;
      }),
    );
    expect(begun).toBe(10);
    await Promise.all(uses);
    expect(world.headReads).toBe(1);
  });

  test('is told whether the live one answers, or a former one in its place', async () => {
    const world = new World();
    const variant = () => world.versions.use(async (_, answering) => answering);
    expect(await variant()).toBe('live');
    world.head = { live: 2 };
    world.corrupt.add(2);
    world.now += 1_000;
    expect(await variant()).toBe('former');
    world.corrupt.clear();
    world.now += 5_000;
    expect(await variant()).toBe('live');
  });
});

describe('the live version of a server, which refreshes it', () => {
  test('is up to date though nobody asks, and the old one is released', async () => {
    const world = new World('server');
    await world.versions.refresh();
    expect(world.loads).toEqual([1]);
    world.head = { live: 2 };
    world.now += 1_000;
    await world.versions.refresh();
    expect(world.loads).toEqual([1, 2]);
    expect(world.released).toEqual([1]);
    expect(await world.answering()).toBe(2);
  });

  test('answers without a wait while the head or another version is on its way', async () => {
    const world = new World('server');
    await world.answering();
    const [head, staged] = [held(), held()];
    world.slowHead = head.until;
    world.slow.set(2, staged.until);
    world.head = { live: 1, staged: 2 };
    world.now += 1_000;
    let begun = 0;
    const use = () =>
      world.versions.use(async () => {
        begun += 1;
      });
    const first = use();
    expect(begun).toBe(1);
    head.end();
    await turn();
    expect(world.loads).toEqual([1, 2]);
    const second = use();
    expect(begun).toBe(2);
    staged.end();
    await Promise.all([first, second, world.versions.refresh()]);
    world.head = { live: 2 };
    world.now += 1_000;
    await world.versions.refresh();
    expect(await world.answering()).toBe(2);
    expect(world.loads).toEqual([1, 2]);
  });

  test('is waited for where it is rolled back to, and where there is none yet', async () => {
    const world = new World('server');
    const [first, good] = [held(), held()];
    world.slow.set(2, first.until);
    world.head = { live: 2 };
    const asked = world.answering();
    await world.versions.refresh();
    first.end();
    expect(await asked).toBe(2);
    world.slow.set(1, good.until);
    world.head = { live: 1, rolledBackFrom: 2 };
    world.now += 1_000;
    await world.versions.refresh();
    const later = world.answering();
    world.now += 900;
    good.end();
    expect(await later).toBe(1);
    expect(world.released).toEqual([2]);
  });

  test('is not trusted where whoever refreshes it has not come', async () => {
    const world = new World('server');
    await world.answering();
    world.head = { live: 2 };
    world.now += 2_000;
    expect(await world.answering()).toBe(2);
  });

  test('refuses what is corrupt and tries it again, without an answer that waits', async () => {
    const world = new World('server');
    await world.answering();
    world.head = { live: 2 };
    world.corrupt.add(2);
    world.now += 1_000;
    await world.versions.refresh();
    expect(await world.answering()).toBe(1);
    world.corrupt.clear();
    for (let second = 0; second < 5; second += 1) {
      world.now += 1_000;
      await world.versions.refresh();
    }
    expect(await world.answering()).toBe(2);
    expect(world.failures).toHaveLength(1);
    expect(world.released).toEqual([1]);
  });
});

describe('several processes and one ledger', () => {
  const versions = 4;
  const step = fc.record({
    waitMs: fc.integer({ min: 0, max: 1_500 }),
    goesLive: fc.option(fc.integer({ min: 1, max: versions }), { nil: undefined }),
    staged: fc.option(fc.integer({ min: 1, max: versions }), { nil: undefined }),
    /** Of each of the processes, the servers among them refreshing every second besides. */
    asks: fc.integer({ min: 0, max: 7 }),
  });

  type Step = ReturnType<(typeof step)['generate']>['value'];

  /** A function and two servers, and what was live when. */
  class Processes {
    readonly worlds = [new World(), new World('server'), new World('server')] as const;
    #live = { version: 1, until: Number.POSITIVE_INFINITY };
    readonly #wentLive = [this.#live];

    get now(): number {
      return this.worlds[0].now;
    }

    get recentlyLive(): number[] {
      const recent = this.#wentLive.filter(({ until }) => until > this.now - 2_000);
      return recent.map(({ version }) => version);
    }

    async wait(ms: number): Promise<void> {
      for (const world of this.worlds) {
        const second = Math.floor(world.now / 1_000);
        world.now += ms;
        const ticked = Math.floor(world.now / 1_000) > second;
        if (world.refreshed && ticked) await world.versions.refresh();
      }
    }

    decide({ goesLive, staged }: Partial<Pick<Step, 'goesLive' | 'staged'>>): void {
      if (goesLive !== undefined && goesLive !== this.#live.version) {
        this.#live.until = this.now;
        this.#live = { version: goesLive, until: Number.POSITIVE_INFINITY };
        this.#wentLive.push(this.#live);
      }
      const live = this.#live.version;
      for (const world of this.worlds) world.head = { live, ...(staged ? { staged } : {}) };
    }
  }

  test('whatever goes live, none answers with what was not live in the last two seconds', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 30 }), async (steps) => {
        const processes = new Processes();
        for (const world of processes.worlds) await world.answering();
        for (const { waitMs, asks, ...decision } of steps) {
          await processes.wait(waitMs);
          processes.decide(decision);
          const asked = processes.worlds.filter((_, index) => asks & (1 << index));
          for (const world of asked) {
            expect(processes.recentlyLive).toContain(await world.answering());
          }
        }
        // What goes on beside an answer comes to its end.
        await turn();
        processes.decide({});
        await processes.wait(1_000);
        for (const world of processes.worlds) {
          await world.answering();
          // One is loaded still; each of the others was given back as often as it was loaded.
          expect(world.released.length).toBe(world.loads.length - 1);
        }
      }),
      { numRuns: 200 },
    );
  });
});
