/** Runs further back count less: the weight of the one before the last, against the last. */
const decay = 0.95;

/**
 * What a run of n rows takes, by a line through the runs so far: `perRunMs + n · perRowMs`, least squares,
 * the latest weighing most. Neither is below 0, because more rows are never less work.
 */
export class RunTimeFit {
  #weight = 0;
  #rows = 0;
  #ms = 0;
  #rowsRows = 0;
  #rowsMs = 0;

  add(rows: number, ms: number): void {
    this.#weight = this.#weight * decay + 1;
    this.#rows = this.#rows * decay + rows;
    this.#ms = this.#ms * decay + ms;
    this.#rowsRows = this.#rowsRows * decay + rows * rows;
    this.#rowsMs = this.#rowsMs * decay + rows * ms;
  }

  /** Of rows that are run at most so many at a time; 0 while nothing has been measured. */
  expectedMs(rows: number, rowsPerRun: number): number {
    if (this.#weight === 0 || rows <= 0) return 0;
    const { perRunMs, perRowMs } = this.#line();
    return Math.ceil(rows / rowsPerRun) * perRunMs + rows * perRowMs;
  }

  #line(): { readonly perRunMs: number; readonly perRowMs: number } {
    const meanRows = this.#rows / this.#weight;
    const meanMs = this.#ms / this.#weight;
    const variance = this.#rowsRows / this.#weight - meanRows * meanRows;
    // Runs that all had as many rows say nothing of the share that does not depend on them.
    if (variance <= 1e-9 * meanRows * meanRows) return { perRunMs: 0, perRowMs: meanMs / meanRows };
    const slope = (this.#rowsMs / this.#weight - meanRows * meanMs) / variance;
    const perRowMs = Math.max(0, Math.min(slope, meanMs / meanRows));
    return { perRunMs: meanMs - perRowMs * meanRows, perRowMs };
  }
}
