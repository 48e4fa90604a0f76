import { CircuitBreaker } from './circuit-breaker.ts';
import type { PredictionRecord } from './prediction-record.ts';

/** Where a row's prediction came from. */
export type CacheOutcome = NonNullable<PredictionRecord['cache']>;

/** Predictions kept in the function's own memory. */
export interface MemoryCache {
  get(key: string): number | undefined;
  set(key: string, prediction: number): void;
}

/** Predictions kept where all environments of the function find them. Every call may reject or hang. */
export interface SharedCache {
  /** Whether it can be asked at once. */
  readonly connected: boolean;
  connect(): Promise<void>;
  get(keys: readonly string[]): Promise<readonly (number | undefined)[]>;
  set(predictions: ReadonlyMap<string, number>): Promise<void>;
  /** Gives the connection up, and whatever waits on it. */
  disconnect(): void;
}

/** What became of one call to the shared cache. */
export type SharedOutcome =
  | 'answered'
  | 'late'
  | 'failed'
  | 'connecting'
  | 'left alone'
  | 'too many';

/** A request with more unknown rows than this would use its budget up, and is one efficient run. */
const mostKeysAsked = 128;

export interface CacheLookup {
  /** By key; without those that are to be computed. */
  readonly predictions: ReadonlyMap<string, number>;
  /** One per key. */
  readonly outcomes: readonly CacheOutcome[];
  /** undefined where memory knew everything or there is no shared cache. */
  readonly shared: SharedOutcome | undefined;
}

export interface PredictionCacheOptions {
  readonly memory: MemoryCache;
  readonly shared?: SharedCache;
  /** How long a request waits for the shared cache, to read and once more to write. @default 5 */
  readonly budgetMs?: number;
  /** Told when the shared cache is left alone for a while, and why. */
  readonly onOpen?: (reason: unknown) => void;
  /** Milliseconds of the wall clock. */
  readonly now?: () => number;
}

/** undefined where there is nobody to ask. */
type Asked<T> = { readonly outcome: SharedOutcome; readonly value?: T } | undefined;

const late = Symbol('late');

/** Settles with the work, or as late when its time is up; what comes after that is nobody's failure. */
async function within<T>(work: Promise<T>, limitMs: number): Promise<T | typeof late> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<typeof late>((resolve) => {
    timer = setTimeout(resolve, limitMs, late);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Memory first, then the shared cache. A cache that is slow, gone or lying about its connection costs a
 * request at most its budget and never an answer: what it does not say in time is computed.
 */
export class PredictionCache {
  readonly #memory: MemoryCache;
  readonly #shared: SharedCache | undefined;
  readonly #budgetMs: number;
  readonly #onOpen: (reason: unknown) => void;
  readonly #now: () => number;
  readonly #breaker = new CircuitBreaker();
  #connecting: Promise<void> | undefined;

  constructor({ memory, shared, budgetMs = 5, onOpen, now = Date.now }: PredictionCacheOptions) {
    this.#memory = memory;
    this.#shared = shared;
    this.#budgetMs = budgetMs;
    this.#onOpen = onOpen ?? (() => undefined);
    this.#now = now;
  }

  /** Begins to connect, so that the first request need not. */
  warm(): void {
    if (this.#shared && !this.#shared.connected) this.#connect(this.#shared);
  }

  /** Never rejects. */
  async lookup(keys: readonly string[]): Promise<CacheLookup> {
    const predictions = new Map<string, number>();
    for (const key of keys) {
      const prediction = this.#memory.get(key);
      if (prediction !== undefined) predictions.set(key, prediction);
    }
    const inMemory = new Set(predictions.keys());
    const wanted = [...new Set(keys)].filter((key) => !inMemory.has(key));
    const asked = wanted.length > 0 ? await this.#askFor(wanted) : undefined;
    for (const [index, prediction] of (asked?.value ?? []).entries()) {
      const key = wanted[index];
      if (key === undefined || prediction === undefined) continue;
      predictions.set(key, prediction);
      this.#memory.set(key, prediction);
    }
    return {
      predictions,
      shared: asked?.outcome,
      outcomes: keys.map((key) => {
        if (inMemory.has(key)) return 'hit-memory';
        return predictions.has(key) ? 'hit-valkey' : 'miss';
      }),
    };
  }

  /**
   * Keeps what a lookup did not find. Never rejects, and settles within the budget: after its reply a
   * function may stand still. A shared cache that could not be read is not written to either.
   */
  async store(predictions: ReadonlyMap<string, number>, { shared }: CacheLookup): Promise<void> {
    for (const [key, prediction] of predictions) this.#memory.set(key, prediction);
    if (shared === 'answered') await this.#ask((cache) => cache.set(predictions));
  }

  async #askFor(keys: readonly string[]): Promise<Asked<readonly (number | undefined)[]>> {
    if (this.#shared && keys.length > mostKeysAsked) return { outcome: 'too many' };
    return this.#ask((shared) => shared.get(keys));
  }

  async #ask<T>(call: (shared: SharedCache) => Promise<T>): Promise<Asked<T>> {
    const shared = this.#shared;
    if (!shared) return undefined;
    if (!this.#breaker.allows(this.#now())) return { outcome: 'left alone' };
    if (!shared.connected) {
      // A connection takes longer than an answer is worth waiting for; the next request has it.
      this.#connect(shared);
      return { outcome: 'connecting' };
    }
    try {
      const value = await within(call(shared), this.#budgetMs);
      if (value === late) {
        this.#failed(shared, new Error(`no answer within ${this.#budgetMs} ms`));
        return { outcome: 'late' };
      }
      this.#breaker.succeeded();
      return { outcome: 'answered', value };
    } catch (error) {
      this.#failed(shared, error);
      return { outcome: 'failed' };
    }
  }

  #connect(shared: SharedCache): void {
    this.#connecting ??= shared
      .connect()
      .then(
        () => this.#breaker.succeeded(),
        (error: unknown) => this.#failed(shared, error),
      )
      .finally(() => {
        this.#connecting = undefined;
      });
  }

  #failed(shared: SharedCache, reason: unknown): void {
    if (!this.#breaker.failed(this.#now())) return;
    // A connection may be dead without anyone having said so: the next try is over a new one.
    shared.disconnect();
    this.#onOpen(reason);
  }
}
