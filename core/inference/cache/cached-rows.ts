import type { PredictionRecord } from '../log/prediction-record.ts';

/** Where a row's prediction came from. */
export type CacheOutcome = NonNullable<PredictionRecord['cache']>;

/** The rows of one request while their answers are gathered; rows with equal keys get equal answers. */
export class CachedRows {
  readonly predictions: Float32Array;
  readonly outcomes: CacheOutcome[];
  readonly #keys: readonly string[];
  readonly #rowsOfOpenKey = new Map<string, number[]>();
  #hits = 0;

  constructor(keys: readonly string[]) {
    this.#keys = keys;
    this.predictions = new Float32Array(keys.length);
    this.outcomes = new Array<CacheOutcome>(keys.length).fill('miss');
  }

  get rows(): number {
    return this.#keys.length;
  }

  /** Rows that were not computed for this request. */
  get hits(): number {
    return this.#hits;
  }

  get isComplete(): boolean {
    return this.#rowsOfOpenKey.size === 0;
  }

  /** Those that have no answer yet, each once. */
  get openKeys(): Iterable<string> {
    return this.#rowsOfOpenKey.keys();
  }

  firstRow(openKey: string): number {
    return this.#rowsOfOpenKey.get(openKey)?.[0] ?? 0;
  }

  /** Takes what is known at once and leaves the others open. */
  look(known: (key: string) => number | undefined): void {
    for (let row = 0; row < this.#keys.length; row += 1) {
      const key = this.#keys[row] as string;
      const prediction = known(key);
      if (prediction !== undefined) this.#set(row, prediction, 'hit-memory');
      else if (!this.#rowsOfOpenKey.get(key)?.push(row)) this.#rowsOfOpenKey.set(key, [row]);
    }
  }

  /** The answer to all rows with a key that was open. */
  fill(openKey: string, prediction: number, outcome: CacheOutcome): void {
    for (const row of this.#rowsOfOpenKey.get(openKey) ?? []) this.#set(row, prediction, outcome);
    this.#rowsOfOpenKey.delete(openKey);
  }

  #set(row: number, prediction: number, outcome: CacheOutcome): void {
    this.predictions[row] = prediction;
    this.outcomes[row] = outcome;
    if (outcome !== 'miss') this.#hits += 1;
  }
}
