import { late, within } from '../time-limit.ts';
import { CircuitBreaker } from './circuit-breaker.ts';

/** Predictions kept where all environments of the endpoint find them. Every call may reject or hang. */
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
  | 'too many'
  | 'not worth it';

/** A request with more unknown rows than this would use its budget up, and is one efficient run. */
const mostKeysAsked = 128;

export interface Asked<T> {
  readonly outcome: SharedOutcome;
  /** Only where it answered. */
  readonly value?: T;
}

export interface CarefulCacheOptions {
  /** How long a request waits for the shared cache, to read and once more to write. */
  readonly budgetMs: number;
  /** Told when the shared cache is left alone for a while, and why. */
  readonly onOpen: (reason: unknown) => void;
  /** Milliseconds of the wall clock. */
  readonly now: () => number;
}

/**
 * A shared cache whose calls never reject and settle within a budget, and which is left alone for a while
 * when it has not answered several times in a row.
 */
export class CarefulCache {
  readonly #shared: SharedCache;
  readonly #options: CarefulCacheOptions;
  readonly #breaker = new CircuitBreaker();
  #connecting: Promise<void> | undefined;

  constructor(shared: SharedCache, options: CarefulCacheOptions) {
    this.#shared = shared;
    this.#options = options;
  }

  /** Begins to connect, so that the first request need not. */
  warm(): void {
    if (!this.#shared.connected) this.#connect();
  }

  async get(keys: readonly string[]): Promise<Asked<readonly (number | undefined)[]>> {
    if (keys.length > mostKeysAsked) return { outcome: 'too many' };
    return this.#ask(() => this.#shared.get(keys));
  }

  async set(predictions: ReadonlyMap<string, number>): Promise<void> {
    await this.#ask(() => this.#shared.set(predictions));
  }

  async #ask<T>(call: () => Promise<T>): Promise<Asked<T>> {
    const { budgetMs, now } = this.#options;
    if (!this.#breaker.allows(now())) return { outcome: 'left alone' };
    if (!this.#shared.connected) {
      // A connection takes longer than an answer is worth waiting for; the next request has it.
      this.#connect();
      return { outcome: 'connecting' };
    }
    try {
      const value = await within(call(), budgetMs);
      if (value === late) {
        this.#failed(new Error(`no answer within ${budgetMs} ms`));
        return { outcome: 'late' };
      }
      this.#breaker.succeeded();
      return { outcome: 'answered', value };
    } catch (error) {
      this.#failed(error);
      return { outcome: 'failed' };
    }
  }

  #connect(): void {
    this.#connecting ??= this.#shared
      .connect()
      .then(
        () => this.#breaker.succeeded(),
        (error: unknown) => this.#failed(error),
      )
      .finally(() => {
        this.#connecting = undefined;
      });
  }

  #failed(reason: unknown): void {
    if (!this.#breaker.failed(this.#options.now())) return;
    // A connection may be dead without anyone having said so: the next try is over a new one.
    this.#shared.disconnect();
    this.#options.onOpen(reason);
  }
}
