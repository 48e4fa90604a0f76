/** Keys that one request computes and others may wait for. */
export interface Flight {
  /** Of the keys that were asked for, those that nobody else computes. */
  readonly own: readonly string[];
  /** Of the others, who does. */
  readonly others: ReadonlyMap<string, Promise<ReadonlyMap<string, number>>>;
  /** What this one has found out; nothing where it failed. To be called in any case, once. */
  land(known: ReadonlyMap<string, number>): void;
}

/** What several requests need at the same time is computed by the first of them. */
export class SingleFlight {
  readonly #landings = new Map<string, Promise<ReadonlyMap<string, number>>>();

  /** How many keys are being computed. */
  get size(): number {
    return this.#landings.size;
  }

  takeOff(keys: Iterable<string>): Flight {
    const own: string[] = [];
    const others = new Map<string, Promise<ReadonlyMap<string, number>>>();
    for (const key of keys) {
      const landing = this.#landings.get(key);
      if (landing) others.set(key, landing);
      else own.push(key);
    }
    let tell: (known: ReadonlyMap<string, number>) => void = () => undefined;
    if (own.length > 0) {
      const landing = new Promise<ReadonlyMap<string, number>>((resolve) => {
        tell = resolve;
      });
      for (const key of own) this.#landings.set(key, landing);
    }
    return {
      own,
      others,
      land: (known) => {
        for (const key of own) this.#landings.delete(key);
        tell(known);
      },
    };
  }
}
