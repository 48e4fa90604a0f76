/** So many rows, and what was measured before them counts half. */
const halfLifeRows = 500;

/** How long computing a row takes in the mean, the latest counting most. */
export class RowTime {
  #ms = 0;
  #rows = 0;

  add(ms: number, rows: number): void {
    this.#ms += ms;
    this.#rows += rows;
    if (this.#rows < 2 * halfLifeRows) return;
    this.#ms /= 2;
    this.#rows /= 2;
  }

  /** undefined while nothing was measured. */
  get meanMs(): number | undefined {
    return this.#rows === 0 ? undefined : this.#ms / this.#rows;
  }
}
