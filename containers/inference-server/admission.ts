import { OverloadedError } from '../../core/inference/serving-errors.ts';

/** How often the event loop is asked whether it is on time. */
const tickMs = 20;
/** A body of unknown length may be as long as one may be; a short one costs what goes with it. */
const leastBytes = 1_024;
const retryAfterSeconds = 1;

export interface AdmissionLimits {
  /** How late the event loop may be. */
  readonly maximumDelayMs: number;
  /** Of the bodies of requests that are not answered yet. */
  readonly maximumBytes: number;
}

export interface AdmissionOptions extends AdmissionLimits {
  /** Milliseconds of a clock that runs evenly. @default performance.now */
  readonly now?: () => number;
}

/** Of a server whose queues of rows may hold so many milliseconds of work. */
export const admissionLimits = (maximumQueuedMs: number): AdmissionLimits => ({
  // Later than a collection of garbage makes it, and early enough for a load balancer, which waits 5 s.
  maximumDelayMs: Math.min(Math.max(maximumQueuedMs, 250), 1_000),
  maximumBytes: 64 * 1024 * 1024,
});

/** What an admitted request holds until it is answered. */
export interface Place {
  bytes: number;
}

/**
 * Decides on requests before their bodies are read. Queues of rows bound what waits for the model; this bounds
 * what waits for the thread that reads requests, which would else be too late for everything, readiness too.
 *
 * How late it is is known within a turn of the event loop: a timer that is due has not come as long as requests
 * are read. So the first of many that come at once are taken, as many as can be read in that time.
 */
export class Admission {
  readonly #options: AdmissionOptions;
  readonly #now: () => number;
  #admitted = 0;
  #bytes = 0;
  #tickedAt: number;
  /** The last turns' lateness, halved by each tick that was on time: after a long turn comes a short one. */
  #recentMs = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#tickedAt = this.#now();
  }

  /** Begins to watch the event loop, until the timer is cleared. */
  watch(): ReturnType<typeof setInterval> {
    this.#tickedAt = this.#now();
    return setInterval(() => this.tick(), tickMs);
  }

  /** Called when the timer comes. */
  tick(): void {
    // However late it was, two ticks on time are enough.
    const most = 2 * this.#options.maximumDelayMs;
    this.#recentMs = Math.min(Math.max(this.#lateMs(), this.#recentMs / 2), most);
    this.#tickedAt = this.#now();
  }

  /** How late the event loop is. */
  get delayMs(): number {
    return Math.max(this.#lateMs(), this.#recentMs);
  }

  /**
   * Whoever is alone is taken: what made the event loop late is over by then.
   * @param bytes of its body; undefined where the caller does not say
   * @throws OverloadedError
   */
  admit(bytes: number | undefined, longestBody: number): Place {
    const held = Math.min(Math.max(bytes ?? longestBody, leastBytes), longestBody);
    const { maximumDelayMs, maximumBytes } = this.#options;
    if (this.#admitted > 0 && this.delayMs > maximumDelayMs) {
      throw new OverloadedError(
        `more requests come than can be read in time; try again in ${retryAfterSeconds} s`,
        retryAfterSeconds,
      );
    }
    if (this.#admitted > 0 && this.#bytes + held > maximumBytes) {
      throw new OverloadedError(
        `requests of ${this.#bytes} bytes wait for their answers, and at most ${maximumBytes} may; try again in ${retryAfterSeconds} s`,
        retryAfterSeconds,
      );
    }
    this.#admitted += 1;
    this.#bytes += held;
    return { bytes: held };
  }

  /** The body of a request turned out to be so long. */
  weigh(place: Place, bytes: number): void {
    if (place.bytes === 0) return;
    const held = Math.max(bytes, leastBytes);
    this.#bytes += held - place.bytes;
    place.bytes = held;
  }

  /** The request is answered, or gone. */
  leave(place: Place): void {
    if (place.bytes === 0) return;
    this.#admitted -= 1;
    this.#bytes -= place.bytes;
    place.bytes = 0;
  }

  #lateMs(): number {
    return Math.max(0, this.#now() - this.#tickedAt - tickMs);
  }
}
