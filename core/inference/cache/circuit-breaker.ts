/** So many failures in a row, and the other side is left alone. */
const failuresToOpen = 3;
/** How long it is left alone before one call tries it again. */
const openForMs = 5_000;

/**
 * Keeps calls away from what does not answer. Closed, it lets every call through; after some failures in
 * a row it opens and lets none through; after a pause one call may try, and its outcome closes or reopens it.
 * It looks at the clock only when it is asked, because a function's environment may have been frozen.
 */
export class CircuitBreaker {
  #failures = 0;
  #openedAt: number | undefined;
  /** One call tries whether the other side answers again. */
  #trying = false;

  /** @param now milliseconds of the wall clock */
  allows(now: number): boolean {
    if (this.#openedAt === undefined) return true;
    // A clock that was set back must not keep it open for as long as that.
    if (Math.abs(now - this.#openedAt) < openForMs) return false;
    // This call tries. The next may when it has not come back after another pause.
    this.#openedAt = now;
    this.#trying = true;
    return true;
  }

  succeeded(): void {
    this.#failures = 0;
    this.#openedAt = undefined;
    this.#trying = false;
  }

  /** @returns whether it has opened with this failure: of calls that were made together, one opens it */
  failed(now: number): boolean {
    if (this.#openedAt !== undefined && !this.#trying) return false;
    this.#failures += 1;
    if (this.#failures < failuresToOpen) return false;
    this.#openedAt = now;
    this.#trying = false;
    return true;
  }
}
