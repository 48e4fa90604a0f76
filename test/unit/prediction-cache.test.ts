import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { lruPredictionCache } from '../../adapters/lru-prediction-cache.ts';
import type { SharedCache } from '../../core/inference/cache/careful-cache.ts';
import { CircuitBreaker } from '../../core/inference/cache/circuit-breaker.ts';
import {
  type CacheQuestion,
  PredictionCache,
} from '../../core/inference/cache/prediction-cache.ts';
import { predictionKeys } from '../../core/inference/cache/prediction-keys.ts';
import { instancesParser } from '../../core/inference/parse-instances.ts';
import { PredictionFaultError } from '../../core/inference/predict.ts';
import { predict } from '../../core/inference/protocols/v1.ts';
import type {
  AnswerIdentity,
  LoadedVersion,
} from '../../core/inference/versions/loaded-version.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { featureSpec, signature } from '../builders/model-version.ts';

const sha256 = fc
  .uint8Array({ minLength: 32, maxLength: 32 })
  .map((bytes) => Buffer.from(bytes).toString('hex'));
const identity = fc.record({ modelSha256: sha256, featuresSha256: sha256 });
const feature = fc.oneof(fc.float(), fc.constant(Number.NaN), fc.constantFrom(0, 1, -1));
const bits = (row: readonly number[]) =>
  Buffer.from(Float32Array.from(row, (value) => (Number.isNaN(value) ? NaN : value)).buffer);
const keysOf = (of: AnswerIdentity, features: Float32Array, rows: number) =>
  predictionKeys(of, featureSpec(), { kind: 'features', rows, features });
const keyOf = (of: { modelSha256: string; featuresSha256: string }, row: readonly number[]) =>
  keysOf(of, Float32Array.from(row), 1)[0];

describe('the key of a prediction', () => {
  test('is the same exactly for the same version and the same row', () => {
    const rows = fc.array(feature, { minLength: 3, maxLength: 3 });
    const similar = fc
      .tuple(identity, rows, fc.nat(2), feature)
      .map(([of, row, at, value]) => [of, row, row.with(at, value)] as const);
    fc.assert(
      fc.property(similar, identity, ([of, row, other], otherVersion) => {
        expect(keyOf(of, row)).toBe(keyOf({ ...of }, [...row]));
        expect(keyOf(of, row) === keyOf(of, other)).toBe(bits(row).equals(bits(other)));
        const swapped = { modelSha256: of.featuresSha256, featuresSha256: of.modelSha256 };
        for (const version of [otherVersion, swapped]) {
          const same =
            version.modelSha256 === of.modelSha256 && version.featuresSha256 === of.featuresSha256;
          expect(keyOf(version, row) === keyOf(of, row)).toBe(same);
        }
        for (const part of ['modelSha256', 'featuresSha256'] as const) {
          if (otherVersion[part] === of[part]) continue;
          expect(keyOf({ ...of, [part]: otherVersion[part] }, row)).not.toBe(keyOf(of, row));
        }
      }),
    );
  });

  test('does not depend on the rows beside it', () => {
    const matrix = fc.array(fc.tuple(feature, feature), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(identity, matrix, (of, rows) => {
        const together = keysOf(of, Float32Array.from(rows.flat()), rows.length);
        expect(together).toEqual(rows.map((row) => keyOf(of, row)));
      }),
    );
  });

  test('is one that any other implementation finds too: entries outlive a deployment', () => {
    const of = { modelSha256: '0a'.repeat(32), featuresSha256: '0b'.repeat(32) };
    fc.assert(
      fc.property(fc.array(feature, { minLength: 1, maxLength: 9 }), (row) => {
        const bytes = Buffer.alloc(64 + 4 * row.length);
        bytes.fill(0x0a, 0, 32).fill(0x0b, 32, 64);
        for (const [at, value] of row.entries()) {
          if (Number.isNaN(value)) bytes.writeUInt32LE(0x7fc0_0000, 64 + 4 * at);
          else bytes.writeFloatLE(value, 64 + 4 * at);
        }
        expect(keyOf(of, row)).toBe(createHash('sha256').update(bytes).digest('base64url'));
      }),
    );
  });

  test('has one NaN for a missing value, whatever its bits', () => {
    const odd = new Float32Array(Uint32Array.of(0xffc0_0001, 0x3f80_0000).buffer);
    const of = { modelSha256: '0a'.repeat(32), featuresSha256: '0b'.repeat(32) };
    expect(keysOf(of, odd, 1)).toEqual([keyOf(of, [Number.NaN, 1])]);
  });
});

describe('the circuit breaker', () => {
  test('opens with the third failure in a row, and not with three in all', () => {
    const breaker = new CircuitBreaker();
    expect([breaker.failed(0), breaker.failed(0)]).toEqual([false, false]);
    breaker.succeeded();
    expect([breaker.failed(0), breaker.failed(0)]).toEqual([false, false]);
    expect(breaker.allows(0)).toBe(true);
    expect(breaker.failed(0)).toBe(true);
    expect(breaker.allows(0)).toBe(false);
  });

  const opened = (at: number) => {
    const breaker = new CircuitBreaker();
    for (let i = 0; i < 3; i += 1) breaker.failed(at);
    return breaker;
  };

  test('lets one call try after a pause, and all when that call succeeded', () => {
    const breaker = opened(1_000);
    expect(breaker.allows(5_999)).toBe(false);
    expect([breaker.allows(6_000), breaker.allows(6_001)]).toEqual([true, false]);
    breaker.succeeded();
    expect([breaker.allows(6_002), breaker.allows(6_002)]).toEqual([true, true]);
  });

  test('is opened by one of the calls that failed together, and stays open for its own time', () => {
    const breaker = opened(0);
    expect([breaker.failed(1), breaker.failed(4_000)]).toEqual([false, false]);
    expect(breaker.allows(5_000)).toBe(true);
  });

  test('opens again with a single failure of the call that tries', () => {
    const breaker = opened(0);
    expect(breaker.allows(5_000)).toBe(true);
    expect(breaker.failed(5_100)).toBe(true);
    expect([breaker.allows(10_099), breaker.allows(10_100)]).toEqual([false, true]);
  });

  test('does not wait for ever for a call that never came back, nor on a clock that was set back', () => {
    const breaker = opened(100_000);
    expect([breaker.allows(105_000), breaker.allows(110_000)]).toEqual([true, true]);
    expect(opened(100_000).allows(10_000)).toBe(true);
  });

  test('whatever happens, never blocks for longer than the pause after the last failure or try', () => {
    const step = fc.record({
      wait: fc.nat(4_000),
      outcome: fc.constantFrom('succeeds', 'fails', 'is lost'),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const breaker = new CircuitBreaker();
        let now = 0;
        let last = 0;
        for (const { wait, outcome } of steps) {
          now += wait;
          if (!breaker.allows(now)) {
            expect(now - last).toBeLessThan(5_000);
            continue;
          }
          last = now;
          if (outcome === 'succeeds') breaker.succeeded();
          if (outcome === 'fails') breaker.failed(now);
        }
        expect(breaker.allows(now + 5_000)).toBe(true);
      }),
    );
  });
});

/** A shared cache that does what a test says; the real one is driven in test/integration. */
class ScriptedCache implements SharedCache {
  readonly entries = new Map<string, number>();
  connected = true;
  asked = 0;
  disconnects = 0;
  failure: (() => Promise<never>) | undefined;
  connecting: () => Promise<void> = async () => {
    this.connected = true;
  };

  connect(): Promise<void> {
    return this.connecting();
  }
  async get(keys: readonly string[]) {
    this.asked += 1;
    if (this.failure) return this.failure();
    return keys.map((key) => this.entries.get(key));
  }
  async set(predictions: ReadonlyMap<string, number>) {
    this.asked += 1;
    if (this.failure) return this.failure();
    for (const [key, prediction] of predictions) this.entries.set(key, prediction);
  }
  disconnect() {
    this.connected = false;
    this.disconnects += 1;
  }
}

const noMemory = () => ({ get: () => undefined, set: () => undefined });
const refuse = () => Promise.reject(new Error('refused'));
const hang = () => new Promise<never>(() => undefined);
const settle = () => new Promise((resolve) => setImmediate(resolve));

/** What is right: a number that each key has by itself. */
const right = (key: string): number => key.length + (key.codePointAt(key.length - 1) ?? 0);
const rightFor = (keys: readonly string[]) => (rows: readonly number[]) =>
  Promise.resolve({ predictions: rows.map((row) => right(keys[row] as string)) });

/** Asks for keys, and checks that every answer is right. */
async function asked(
  cache: PredictionCache,
  keys: readonly string[],
  compute: CacheQuestion['compute'] = rightFor(keys),
) {
  const answer = await cache.answer({ keys: () => keys, compute });
  expect([...answer.predictions]).toEqual(keys.map(right));
  await answer.kept;
  return answer;
}

describe('the cache of a model', () => {
  const lru = () => lruPredictionCache({ maximumEntries: 10, ttlSeconds: 60 });

  test('looks into memory, then asks for the rest in one go, and remembers what it is told', async () => {
    const shared = new ScriptedCache();
    shared.entries.set('b', right('b'));
    const cache = new PredictionCache({ memory: lru(), shared });
    expect((await asked(cache, ['a', 'b', 'a'])).outcomes).toEqual(['miss', 'hit-valkey', 'miss']);
    expect(shared.entries.get('a')).toBe(right('a'));
    const before = shared.asked;
    expect(await asked(cache, ['a', 'b'])).toMatchObject({
      outcomes: ['hit-memory', 'hit-memory'],
      shared: undefined,
    });
    expect(shared.asked).toBe(before);
  });

  test('without one to share keeps its own', async () => {
    const cache = new PredictionCache({ memory: lru() });
    cache.warm();
    await asked(cache, ['a']);
    expect(await asked(cache, ['a'])).toMatchObject({ outcomes: ['hit-memory'] });
  });

  test.each([
    ['refuses', refuse, 'failed'],
    ['hangs', hang, 'late'],
  ] as const)(
    'goes on without a shared cache that %s, and leaves it alone after three times',
    async (_, failure, outcome) => {
      const shared = new ScriptedCache();
      shared.failure = failure;
      const reasons: unknown[] = [];
      const onOpen = (reason: unknown) => reasons.push(reason);
      const cache = new PredictionCache({ memory: noMemory(), shared, onOpen, now: () => 0 });
      const outcomes = [];
      for (let i = 0; i < 5; i += 1) {
        const answer = await asked(cache, ['a']);
        outcomes.push(answer.shared);
        expect(answer.outcomes).toEqual(['miss']);
      }
      expect(outcomes).toEqual([outcome, outcome, outcome, 'left alone', 'left alone']);
      expect(shared).toMatchObject({ asked: 3, disconnects: 1 });
      expect(reasons).toHaveLength(1);
    },
  );

  test('that hangs costs each request of a burst its budget once, and is said to be left alone once', async () => {
    vi.useFakeTimers();
    try {
      const shared = new ScriptedCache();
      shared.failure = hang;
      const reasons: unknown[] = [];
      const onOpen = (reason: unknown) => reasons.push(reason);
      const cache = new PredictionCache({ memory: noMemory(), shared, onOpen });
      let answered = 0;
      const burst = Array.from({ length: 64 }, async (_, i) => {
        await asked(cache, [`key ${i}`]);
        answered += 1;
      });
      await vi.advanceTimersByTimeAsync(4);
      expect(answered).toBe(0);
      await vi.advanceTimersByTimeAsync(1);
      expect(answered).toBe(64);
      expect(vi.getTimerCount()).toBe(0);
      expect(reasons).toHaveLength(1);
      expect(shared).toMatchObject({ asked: 64, disconnects: 1 });
      // And whoever comes after them does not wait.
      await Promise.all(burst);
      expect((await asked(cache, ['later'])).shared).toBe('left alone');
    } finally {
      vi.useRealTimers();
    }
  });

  test('never waits for a connection: the next request has it', async () => {
    const shared = new ScriptedCache();
    shared.connected = false;
    shared.entries.set('a', right('a'));
    let connect: () => void = () => undefined;
    shared.connecting = () =>
      new Promise<void>((resolve) => {
        connect = () => {
          shared.connected = true;
          resolve();
        };
      });
    const cache = new PredictionCache({ memory: noMemory(), shared });
    for (let i = 0; i < 5; i += 1) {
      expect(await asked(cache, ['a'])).toMatchObject({ shared: 'connecting' });
    }
    connect();
    await settle();
    expect(await asked(cache, ['a'])).toMatchObject({ outcomes: ['hit-valkey'] });
  });

  test('comes back to a shared cache that answers again, over a new connection', async () => {
    const shared = new ScriptedCache();
    shared.failure = refuse;
    let now = 0;
    const cache = new PredictionCache({ memory: noMemory(), shared, now: () => now });
    for (let i = 0; i < 3; i += 1) await asked(cache, ['a']);
    shared.connecting = refuse;
    now = 5_000;
    expect((await asked(cache, ['a'])).shared).toBe('connecting');
    await settle();
    expect((await asked(cache, ['a'])).shared).toBe('left alone');
    shared.failure = undefined;
    shared.entries.set('a', right('a'));
    shared.connecting = async () => {
      shared.connected = true;
    };
    now = 10_000;
    expect((await asked(cache, ['a'])).shared).toBe('connecting');
    await settle();
    expect(await asked(cache, ['a'])).toMatchObject({ outcomes: ['hit-valkey'] });
  });

  test('does not ask for more rows than a budget is enough for', async () => {
    const shared = new ScriptedCache();
    const cache = new PredictionCache({ memory: noMemory(), shared });
    const keys = Array.from({ length: 129 }, (_, row) => `key-${row}`);
    expect((await asked(cache, keys)).shared).toBe('too many');
    expect((await asked(cache, keys.slice(1))).shared).toBe('answered');
  });

  test('in memory forgets what is old and what was not used', () => {
    vi.useFakeTimers({ now: 1_000_000 });
    try {
      const memory = lruPredictionCache({ maximumEntries: 2, ttlSeconds: 60 });
      memory.set('a', 1);
      memory.set('b', 2);
      memory.get('a');
      memory.set('c', 3);
      expect(['a', 'b', 'c'].map(memory.get)).toEqual([1, undefined, 3]);
      vi.setSystemTime(1_000_000 + 60_001);
      expect(['a', 'b', 'c'].map(memory.get)).toEqual([undefined, undefined, undefined]);
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('rows that several requests need at the same time', () => {
  const memory = () => lruPredictionCache({ maximumEntries: 1_000, ttlSeconds: 60 });

  test('are computed once, and the others have their answers from memory', async () => {
    const cache = new PredictionCache({ memory: memory() });
    const computed: string[] = [];
    let finish = () => {};
    const finished = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const ask = (keys: readonly string[]) =>
      asked(cache, keys, async (rows) => {
        computed.push(...rows.map((row) => keys[row] as string));
        await finished;
        return rightFor(keys)(rows);
      });
    const all = [['a', 'b'], ['b'], ['b', 'c', 'a', 'c'], ['c', 'd']].map(ask);
    await settle();
    finish();
    const outcomes = (await Promise.all(all)).map((answer) => answer.outcomes);
    expect(computed.sort()).toEqual(['a', 'b', 'c', 'd']);
    expect(outcomes).toEqual([
      ['miss', 'miss'],
      ['hit-memory'],
      ['hit-memory', 'miss', 'hit-memory', 'miss'],
      ['hit-memory', 'miss'],
    ]);
    expect(cache.takeUsage()).toMatchObject({ hits: 4, misses: 5 });
  });

  test('are computed by each where the first fails, whose failure is its own', async () => {
    const cache = new PredictionCache({ memory: memory() });
    const failing = asked(cache, ['a'], async () => {
      await settle();
      throw new Error('too late for the first');
    });
    const others = Array.from({ length: 3 }, () => asked(cache, ['a']));
    await expect(failing).rejects.toThrow('too late for the first');
    for (const other of others) expect((await other).outcomes).toEqual(['miss']);
  });

  test('are not waited for longer than a request has time', async () => {
    const cache = new PredictionCache({ memory: memory() });
    void asked(cache, ['a'], () => new Promise(() => undefined));
    const keys = ['a'];
    const answer = await cache.answer({
      keys: () => keys,
      compute: rightFor(keys),
      deadlineAt: Date.now() + 5,
    });
    expect([...answer.predictions]).toEqual([right('a')]);
  });

  test('are asked of the shared cache once', async () => {
    const shared = new ScriptedCache();
    shared.entries.set('a', right('a'));
    const cache = new PredictionCache({ memory: memory(), shared });
    const answers = await Promise.all(Array.from({ length: 20 }, () => asked(cache, ['a'])));
    expect(answers.map(({ outcomes: [outcome] }) => outcome)).toEqual([
      'hit-valkey',
      ...Array(19).fill('hit-memory'),
    ]);
    expect(shared.asked).toBe(1);
  });

  /** Computes what is right, or fails; no two compute the same, but for what has failed for another. */
  class WatchedGraph {
    readonly #running = new Set<string>();
    readonly #failed = new Set<string>();
    readonly #wait: () => Promise<unknown>;

    constructor(wait: () => Promise<unknown>) {
      this.#wait = wait;
    }

    async run(keys: readonly string[], rows: readonly number[], fails: boolean) {
      const wanted = rows.map((row) => keys[row] as string);
      const twice = wanted.filter((key) => this.#running.has(key) && !this.#failed.has(key));
      expect(twice).toEqual([]);
      for (const key of wanted) this.#running.add(key);
      await this.#wait();
      for (const key of wanted) this.#running.delete(key);
      if (!fails) return rightFor(keys)(rows);
      for (const key of wanted) this.#failed.add(key);
      throw new Error('fails');
    }
  }

  test('whatever the order, are right, are never computed by two at once, and leave nothing behind', async () => {
    const request = fc.record({
      keys: fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { minLength: 1, maxLength: 5 }),
      fails: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.array(request, { minLength: 1, maxLength: 12 }),
        async (scheduler, requests) => {
          const kept = memory();
          const shared = new ScriptedCache();
          const cache = new PredictionCache({
            memory: kept,
            shared: {
              connected: true,
              connect: async () => undefined,
              disconnect: () => undefined,
              get: (keys) => scheduler.schedule(shared.get(keys)),
              set: (predictions) => scheduler.schedule(shared.set(predictions)),
            },
            budgetMs: 10_000,
          });
          const graph = new WatchedGraph(() => scheduler.schedule(Promise.resolve()));
          const ask = ({ keys, fails }: (typeof requests)[number]) =>
            asked(cache, keys, (rows) => graph.run(keys, rows, fails)).catch((error: Error) => {
              expect([fails, error.message]).toEqual([true, 'fails']);
            });
          const all = Promise.all(
            requests.map((one) => scheduler.schedule(Promise.resolve()).then(() => ask(one))),
          );
          await scheduler.waitFor(all);
          // Nobody is left behind: whoever comes now waits for nobody.
          const rest = ['a', 'b', 'c', 'd', 'e'];
          let computedNow = 0;
          const last = asked(cache, rest, (rows) => {
            computedNow += rows.length;
            return rightFor(rest)(rows);
          });
          await scheduler.waitFor(last);
          const { outcomes } = await last;
          expect(outcomes.filter((outcome) => outcome === 'miss')).toHaveLength(computedNow);
        },
      ),
      { numRuns: 200 },
    );
  });
});

describe('a cache that costs more than it saves', () => {
  /** A cache whose look-ups and runs take as long as a test says. */
  function timed(options: { readonly shared?: ScriptedCache; readonly lookupMs: number }) {
    let clock = 0;
    let now = 0;
    const verdicts: string[] = [];
    const slow = options.shared && {
      connected: true,
      connect: async () => undefined,
      disconnect: () => undefined,
      get: async (keys: readonly string[]) => {
        clock += 3;
        return options.shared?.get(keys) ?? [];
      },
      set: async () => undefined,
    };
    const cache = new PredictionCache({
      memory: {
        get: () => {
          clock += options.lookupMs;
          return undefined;
        },
        set: () => undefined,
      },
      ...(slow && { shared: slow }),
      now: () => now,
      elapsed: () => clock,
      onVerdict: (about, { worth }) => verdicts.push(`${about}: ${worth}`),
    });
    return {
      cache,
      verdicts,
      wait: (ms: number) => {
        now += ms;
      },
      ask: (key: string, runMs: number) =>
        asked(cache, [key], async (rows) => {
          clock += runMs;
          return rightFor([key])(rows);
        }),
    };
  }

  test('is left out, says so once, and is tried again later', async () => {
    const { cache, ask, verdicts, wait } = timed({ lookupMs: 0.01 });
    for (let i = 0; i < 2_999; i += 1) await ask(`${i}`, 1);
    expect(cache.pays).toBe(true);
    await ask('last', 1);
    expect(verdicts).toEqual(['cache: false']);
    expect(cache.pays).toBe(false);
    const usage = cache.takeUsage();
    expect(usage).toMatchObject({ hits: 0, misses: 3_000, leftOut: true });
    expect(usage.savedMs).toBeCloseTo(-30, 5);
    wait(600_000);
    expect(cache.pays).toBe(true);
    expect(cache.takeUsage()).toMatchObject({ hits: 0, misses: 0, savedMs: 0, leftOut: true });
  });

  test('of which only the shared part does, goes on in memory without it', async () => {
    const shared = new ScriptedCache();
    const { cache, ask, verdicts, wait } = timed({ shared, lookupMs: 0 });
    for (let i = 0; i < 3_000; i += 1) await ask(`${i}`, 1);
    expect(verdicts).toEqual(['shared cache: false']);
    expect(cache.pays).toBe(true);
    expect((await ask('next', 1)).shared).toBe('not worth it');
    const before = shared.asked;
    wait(600_000);
    shared.entries.set('known', right('known'));
    // A slow model: three milliseconds of looking up save ten of computing.
    for (let i = 0; i < 500; i += 1) await ask(`later ${i}`, 40);
    for (let i = 0; i < 500; i += 1) await ask('known', 40);
    expect(shared.asked).toBe(before + 1_000);
    expect(verdicts).toEqual(['shared cache: false', 'shared cache: true']);
    expect(cache.takeUsage().leftOut).toBe(false);
  });
});

describe('a request to a model with a cache', () => {
  /** Twice the length, or the length alone where there are no items; it counts what it computes. */
  class Doubling {
    computed: number[][] = [];
    answer = (length: number, items: number) => (Number.isNaN(items) ? length : 2 * length);

    version(number = 1, hash = 'aa'): LoadedVersion {
      return {
        model: 'parcel-weight',
        version: number,
        identity: { modelSha256: hash.repeat(32), featuresSha256: 'bb'.repeat(32) },
        signature: signature(),
        spec: featureSpec(),
        parse: instancesParser(signature()),
        session: {
          run: async (input) => {
            if (input.kind !== 'features') throw new TypeError('the model takes features');
            const matrix = Array.from({ length: input.rows }, (_, row) => [
              input.features[row * 2] ?? 0,
              input.features[row * 2 + 1] ?? 0,
            ]);
            this.computed.push(...matrix);
            const predictions = Float32Array.from(matrix, ([length = 0, items = 0]) =>
              this.answer(length, items),
            );
            return { predictions };
          },
          release: async () => undefined,
        },
      };
    }
  }
  const memoryCache = () =>
    new PredictionCache({ memory: lruPredictionCache({ maximumEntries: 99, ttlSeconds: 60 }) });
  const ask = (version: LoadedVersion, cache: PredictionCache | undefined, instances: object[]) =>
    predict(version, { body: JSON.stringify({ instances }), requestId: 'r' }, cache);

  test('computes each different row once, and answers each with an id and a record of its own', async () => {
    const graph = new Doubling();
    const cache = memoryCache();
    const rows = [{ length: 1, items: 1 }, { length: 2 }, { items: 1, length: 1 }];
    const first = await ask(graph.version(), cache, rows);
    expect(first.reply.predictions).toEqual([2, 2, 2]);
    expect(graph.computed).toHaveLength(2);
    const second = await ask(graph.version(), cache, [{ length: 3 }, ...rows]);
    expect(second.reply.predictions).toEqual([3, 2, 2, 2]);
    expect(graph.computed).toHaveLength(3);
    expect(first.records.map(({ cache }) => cache)).toEqual(['miss', 'miss', 'miss']);
    expect(second.records.map(({ cache }) => cache)).toEqual([
      'miss',
      'hit-memory',
      'hit-memory',
      'hit-memory',
    ]);
    const ids = [...first.records, ...second.records].map(({ predictionId }) => predictionId);
    expect(new Set(ids).size).toBe(7);
  });

  test('is answered as without one, whatever was asked before', async () => {
    const row = fc.record(
      { length: fc.integer({ min: 0, max: 3 }), items: fc.integer({ min: 0, max: 2 }) },
      { requiredKeys: ['length'] },
    );
    const requests = fc.array(
      fc.tuple(fc.constantFrom('aa', 'cc'), fc.array(row, { minLength: 1, maxLength: 6 })),
      { maxLength: 8 },
    );
    await fc.assert(
      fc.asyncProperty(requests, async (asked) => {
        const cache = memoryCache();
        for (const [hash, instances] of asked) {
          const graph = new Doubling();
          if (hash === 'cc') graph.answer = (length) => -length;
          const cached = await ask(graph.version(1, hash), cache, instances);
          const plain = await ask(graph.version(1, hash), undefined, instances);
          expect(cached.reply.predictions).toEqual(plain.reply.predictions);
        }
      }),
      { numRuns: 50 },
    );
  });

  test('is never answered by another version, however versions and requests follow each other', async () => {
    const hashes = ['aa', 'bb', 'cc'] as const;
    const event = fc.record({
      goesLive: fc.option(fc.constantFrom(...hashes), { nil: undefined }),
      lengths: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 4 }),
      /** Whether the next one comes before this one is answered. */
      overlaps: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(event, { maxLength: 20 }), async (events) => {
        const cache = memoryCache();
        const graphs = hashes.map((hash, at) => {
          const graph = new Doubling();
          graph.answer = (length) => 10 * length + at;
          return { at, version: graph.version(at + 1, hash) };
        });
        let live = graphs[0];
        const pending: Promise<void>[] = [];
        for (const { goesLive, lengths, overlaps } of events) {
          if (goesLive) live = graphs[hashes.indexOf(goesLive)];
          const answering = live as (typeof graphs)[number];
          const instances = lengths.map((length) => ({ length }));
          const check = ask(answering.version, cache, instances).then(({ reply }) => {
            const expected = lengths.map((length) => 10 * length + answering.at);
            expect(reply.predictions).toEqual(expected);
            expect(reply.model_version).toBe(String(answering.at + 1));
          });
          if (overlaps) pending.push(check);
          else await check;
        }
        await Promise.all(pending);
      }),
    );
  });

  test('keeps nothing of an answer that is none', async () => {
    const graph = new Doubling();
    const shared = new ScriptedCache();
    const cache = new PredictionCache({ memory: noMemory(), shared });
    graph.answer = () => Number.NaN;
    await expect(ask(graph.version(), cache, [{ length: 1 }])).rejects.toThrow(
      PredictionFaultError,
    );
    expect(shared.entries.size).toBe(0);
  });

  test('leaves no trace in the records of a model without a cache', async () => {
    const { records } = await ask(new Doubling().version(), undefined, [{ length: 1 }]);
    expect(records[0]).not.toHaveProperty('cache');
  });
});

describe('serving.cache of a model', () => {
  const serving = (cache: object) =>
    defineModel(aModelDefinition({ serving: { target: 'lambda', cache } })).serving.cache;

  test('is off unless a model asks, and has defaults where it does', () => {
    expect(defineModel(aModelDefinition()).serving).not.toHaveProperty('cache');
    expect(serving({})).toEqual({ ttlSeconds: 3_600, maximumEntries: 10_000 });
  });

  test.each([
    [{ ttlSeconds: 0 }, 'serving.cache.ttlSeconds'],
    [{ maximumEntries: 100_001 }, 'serving.cache.maximumEntries'],
    [{ ttl: 5 }, 'serving.cache'],
  ])('refuses %j and says where', (cache, path) => {
    expect(() => serving(cache)).toThrow(path);
  });
});
