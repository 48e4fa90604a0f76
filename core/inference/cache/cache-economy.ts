/** So many rows are looked up before it is judged. */
const windowRows = 1_000;
/** So many windows in a row must have cost more than they saved: a cache begins empty. */
const losingWindows = 3;
/** How long it is left out before it is tried again. */
const retryAfterMs = 600_000;
/** By how much a cache that was left out must save more than it costs to be used again. */
const margin = 1.25;

/** What one or more look-ups cost and saved. */
export interface CacheBalance {
  /** That were looked up. */
  readonly rows: number;
  readonly costMs: number;
  /** What computing the rows that were found would have taken. */
  readonly savedMs: number;
}

/** The windows that a verdict was about. */
export interface CacheVerdict {
  readonly worth: boolean;
  readonly rows: number;
  readonly costMs: number;
  readonly savedMs: number;
}

const nothing: CacheBalance = { rows: 0, costMs: 0, savedMs: 0 };
const sum = (a: CacheBalance, b: CacheBalance): CacheBalance => ({
  rows: a.rows + b.rows,
  costMs: a.costMs + b.costMs,
  savedMs: a.savedMs + b.savedMs,
});

/**
 * Judges whether looking rows up is worth its time. It is until three windows of rows in a row have cost
 * more than they saved; then it is not for ten minutes, and is tried again for as long. It is worth it again
 * with the first window that clearly saves. Like the circuit breaker it looks at the clock only when asked.
 */
export class CacheEconomy {
  #state: 'used' | 'left out' | 'tried' = 'used';
  #leftOutAt = 0;
  #window = nothing;
  #losses: CacheBalance[] = [];

  /** Whether it has been found out that it costs more than it saves, be it tried again or not. */
  get losing(): boolean {
    return this.#state !== 'used';
  }

  /** @param now milliseconds of the wall clock */
  allows(now: number): boolean {
    if (this.#state !== 'left out') return true;
    // A clock that was set back must not keep it out for as long as that.
    if (Math.abs(now - this.#leftOutAt) < retryAfterMs) return false;
    this.#state = 'tried';
    return true;
  }

  /** @returns what it has come to think anew; undefined while it goes on thinking what it thought. */
  observe(balance: CacheBalance, now: number): CacheVerdict | undefined {
    // What was asked before it was left out may be told after it.
    if (this.#state === 'left out') return undefined;
    this.#window = sum(this.#window, balance);
    if (this.#window.rows < windowRows) return undefined;
    const window = this.#window;
    this.#window = nothing;
    const least = this.#state === 'tried' ? window.costMs * margin : window.costMs;
    return window.savedMs >= least ? this.#won(window) : this.#lost(window, now);
  }

  /** What was seen so far was about something else. */
  forget(): void {
    this.#window = nothing;
    this.#losses = [];
  }

  #won(window: CacheBalance): CacheVerdict | undefined {
    this.#losses = [];
    if (this.#state === 'used') return undefined;
    this.#state = 'used';
    return { worth: true, ...window };
  }

  #lost(window: CacheBalance, now: number): CacheVerdict | undefined {
    this.#losses.push(window);
    if (this.#losses.length < losingWindows) return undefined;
    const before = this.#state;
    const lost = this.#losses.reduce(sum, nothing);
    this.#losses = [];
    this.#state = 'left out';
    this.#leftOutAt = now;
    return before === 'used' ? { worth: false, ...lost } : undefined;
  }
}
