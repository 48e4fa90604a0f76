/** A member of a `Flights`. */
export interface Flight {
  previous?: Flight | undefined;
  next?: Flight | undefined;
  isUp?: boolean;
}

/**
 * Requests that are not answered yet, in the order in which they came. A Set would do the same, but its tables
 * point from old to new: where an old one is garbage that no collection of young objects looks at, all requests
 * that came after it seem to be in use.
 */
export class Flights<F extends Flight> {
  #first: F | undefined;
  #last: F | undefined;
  #count = 0;

  get count(): number {
    return this.#count;
  }

  /** The one that came first. */
  get first(): F | undefined {
    return this.#first;
  }

  add(flight: F): void {
    flight.previous = this.#last;
    if (this.#last) this.#last.next = flight;
    else this.#first = flight;
    this.#last = flight;
    flight.isUp = true;
    this.#count += 1;
  }

  /** @returns whether it was among them */
  delete(flight: F): boolean {
    if (!flight.isUp) return false;
    const { previous, next } = flight as { previous?: F; next?: F };
    if (previous) previous.next = next;
    else this.#first = next;
    if (next) next.previous = previous;
    else this.#last = previous;
    flight.previous = undefined;
    flight.next = undefined;
    flight.isUp = false;
    this.#count -= 1;
    return true;
  }
}
