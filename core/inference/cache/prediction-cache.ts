import { late, within } from '../time-limit.ts';
import { CacheEconomy, type CacheVerdict } from './cache-economy.ts';
import type { CacheUsage } from './cache-usage.ts';
import { CachedRows, type CacheOutcome } from './cached-rows.ts';
import { CarefulCache, type SharedCache, type SharedOutcome } from './careful-cache.ts';
import { RowTime } from './row-time.ts';
import { type Flight, SingleFlight } from './single-flight.ts';

/** Predictions kept in the process's own memory. */
export interface MemoryCache {
  get(key: string): number | undefined;
  set(key: string, prediction: number): void;
}

/** Rows to be answered. */
export interface CacheQuestion {
  /** One per row, equal for rows that have the same answer. */
  readonly keys: () => readonly string[];
  /** Answers some of the rows, by their places. */
  readonly compute: (rows: readonly number[]) => Promise<ComputedRows>;
  /** Milliseconds of Date.now(): until then others' computations of the same rows are waited for. */
  readonly deadlineAt?: number | undefined;
}

export interface ComputedRows {
  /** One per row asked for. */
  readonly predictions: ArrayLike<number>;
  /** What computing them took, where that is less than the wait for it. */
  readonly runMs?: number | undefined;
}

export interface CacheAnswer {
  /** One per row. */
  readonly predictions: Float32Array;
  /** One per row. */
  readonly outcomes: readonly CacheOutcome[];
  /** undefined where memory knew everything or there is no shared cache. */
  readonly shared: SharedOutcome | undefined;
  /**
   * Settles, within the budget, when new predictions are kept: after its reply a function may stand still.
   * Never rejects.
   */
  readonly kept: Promise<void>;
}

export interface PredictionCacheOptions {
  readonly memory: MemoryCache;
  readonly shared?: SharedCache | undefined;
  /** How long a request waits for the shared cache, to read and once more to write. @default 5 */
  readonly budgetMs?: number;
  /** Told when the shared cache is left alone for a while, and why. */
  readonly onOpen?: (reason: unknown) => void;
  /** Told when all of it, or the shared part, is left out as it costs more than it saves, or used again. */
  readonly onVerdict?: (about: 'cache' | 'shared cache', verdict: CacheVerdict) => void;
  /** Milliseconds of the wall clock. */
  readonly now?: () => number;
  /** Milliseconds of a clock that runs evenly, for what looking up and computing take. */
  readonly elapsed?: () => number;
}

/** What asking the shared cache came to. */
interface SharedLook {
  readonly outcome: SharedOutcome;
  readonly found: ReadonlyMap<string, number>;
  /** undefined where it was not asked. */
  readonly ms?: number;
}

const nothingToKeep = Promise.resolve();
const wasAsked: ReadonlySet<SharedOutcome> = new Set(['answered', 'late', 'failed']);

/**
 * Memory first, then what other requests are computing, then the shared cache. A cache that is slow, gone or
 * lying about its connection costs a request at most its budget and never an answer: what it does not say in
 * time is computed. Once it has cost more than it saves it is left out for a while.
 */
export class PredictionCache {
  readonly #memory: MemoryCache;
  readonly #recall: MemoryCache['get'];
  readonly #shared: CarefulCache | undefined;
  readonly #onVerdict: NonNullable<PredictionCacheOptions['onVerdict']>;
  readonly #now: () => number;
  readonly #elapsed: () => number;
  readonly #flights = new SingleFlight();
  readonly #economy = new CacheEconomy();
  readonly #sharedEconomy = new CacheEconomy();
  readonly #rowTime = new RowTime();
  #hits = 0;
  #misses = 0;
  #savedMs = 0;

  constructor(options: PredictionCacheOptions) {
    const { memory, shared, budgetMs = 5, now = Date.now } = options;
    this.#memory = memory;
    this.#recall = (key) => memory.get(key);
    this.#now = now;
    this.#elapsed = options.elapsed ?? (() => performance.now());
    this.#onVerdict = options.onVerdict ?? (() => undefined);
    const onOpen = options.onOpen ?? (() => undefined);
    this.#shared = shared && new CarefulCache(shared, { budgetMs, onOpen, now });
  }

  /** Begins to connect, so that the first request need not. */
  warm(): void {
    this.#shared?.warm();
  }

  /** Whether it is to be asked: not while it costs more than it saves. */
  get pays(): boolean {
    return this.#economy.allows(this.#now());
  }

  /** What it did since this was last called. */
  takeUsage(): CacheUsage {
    const leftOut = this.#economy.losing || this.#sharedEconomy.losing;
    const usage = { hits: this.#hits, misses: this.#misses, savedMs: this.#savedMs, leftOut };
    this.#hits = 0;
    this.#misses = 0;
    this.#savedMs = 0;
    return usage;
  }

  /** Rejects only where computing does. */
  async answer(question: CacheQuestion): Promise<CacheAnswer> {
    const startedAt = this.#elapsed();
    const rows = new CachedRows(question.keys());
    rows.look(this.#recall);
    const memoryMs = this.#elapsed() - startedAt;
    const { predictions, outcomes } = rows;
    if (rows.isComplete) {
      this.#account(rows, memoryMs, undefined);
      return { predictions, outcomes, shared: undefined, kept: nothingToKeep };
    }
    const flight = this.#flights.takeOff(rows.openKeys);
    const { look, computed } = await this.#fly(question, rows, flight);
    await this.#join(question, rows, flight);
    this.#account(rows, memoryMs, look);
    // What could not be read is not written to either.
    const written = look?.outcome === 'answered' && computed.size > 0;
    const kept = (written && this.#shared?.set(computed)) || nothingToKeep;
    return { predictions, outcomes, shared: look?.outcome, kept };
  }

  /** Asks the shared cache for what nobody else computes, and computes what it does not know. */
  async #fly(question: CacheQuestion, rows: CachedRows, { own, land }: Flight) {
    const known = new Map<string, number>();
    const keep = (answers: ReadonlyMap<string, number>) => {
      for (const [key, prediction] of answers) known.set(key, prediction);
    };
    try {
      const look = own.length > 0 ? await this.#look(rows, own) : undefined;
      if (look) keep(look.found);
      const missing = own.filter((key) => !known.has(key));
      const computed = await this.#compute(question, rows, missing);
      keep(computed);
      return { look, computed };
    } finally {
      land(known);
    }
  }

  async #look(rows: CachedRows, keys: readonly string[]): Promise<SharedLook | undefined> {
    if (!this.#shared) return undefined;
    const found = new Map<string, number>();
    if (!this.#sharedEconomy.allows(this.#now())) return { outcome: 'not worth it', found };
    const startedAt = this.#elapsed();
    const { outcome, value = [] } = await this.#shared.get(keys);
    const ms = this.#elapsed() - startedAt;
    for (const [index, prediction] of value.entries()) {
      const key = keys[index];
      if (key === undefined || prediction === undefined) continue;
      found.set(key, prediction);
      this.#memory.set(key, prediction);
      rows.fill(key, prediction, 'hit-valkey');
    }
    return { outcome, found, ...(wasAsked.has(outcome) && { ms }) };
  }

  /** Computes each key's first row, and remembers the answers. */
  async #compute(question: CacheQuestion, rows: CachedRows, keys: readonly string[]) {
    const computed = new Map<string, number>();
    if (keys.length === 0) return computed;
    const startedAt = this.#elapsed();
    const { predictions, runMs } = await question.compute(keys.map((key) => rows.firstRow(key)));
    this.#rowTime.add(runMs ?? this.#elapsed() - startedAt, keys.length);
    for (const [index, key] of keys.entries()) {
      const prediction = predictions[index] ?? Number.NaN;
      computed.set(key, prediction);
      this.#memory.set(key, prediction);
      rows.fill(key, prediction, 'miss');
    }
    return computed;
  }

  /** Takes what others compute, and computes what they could not: their failure is not this request's. */
  async #join(question: CacheQuestion, rows: CachedRows, { others }: Flight): Promise<void> {
    const alone: string[] = [];
    for (const [key, landing] of others) {
      const known = await this.#inTime(landing, question.deadlineAt);
      const prediction = known === late ? undefined : known.get(key);
      if (prediction === undefined) alone.push(key);
      else rows.fill(key, prediction, 'hit-memory');
    }
    await this.#compute(question, rows, alone);
  }

  #inTime<T>(work: Promise<T>, deadlineAt: number | undefined): Promise<T | typeof late> {
    if (deadlineAt === undefined) return work;
    return within(work, Math.max(0, deadlineAt - this.#now()));
  }

  #account({ rows, hits }: CachedRows, memoryMs: number, look: SharedLook | undefined): void {
    this.#hits += hits;
    this.#misses += rows - hits;
    const rowMs = this.#rowTime.meanMs;
    // Nothing has been computed yet: what a hit is worth is not known.
    if (rowMs === undefined) return;
    const now = this.#now();
    const costMs = memoryMs + (look?.ms ?? 0);
    const savedMs = hits * rowMs;
    this.#savedMs += savedMs - costMs;
    if (look?.ms !== undefined) this.#judgeShared(look, rows - hits, rowMs, now);
    const verdict = this.#economy.observe({ rows, costMs, savedMs }, now);
    if (verdict) this.#onVerdict('cache', verdict);
  }

  #judgeShared({ ms = 0, found }: SharedLook, missed: number, rowMs: number, now: number): void {
    const rows = found.size + missed;
    const balance = { rows, costMs: ms, savedMs: found.size * rowMs };
    const verdict = this.#sharedEconomy.observe(balance, now);
    if (!verdict) return;
    this.#onVerdict('shared cache', verdict);
    // What all of it has cost so far is not what it will cost.
    this.#economy.forget();
  }
}
