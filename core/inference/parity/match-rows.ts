import type { RawValue } from '../../features/raw-values.ts';

/** A row of the notebook's predictions and the row of the data that has its inputs, by their places. */
export interface MatchedRow {
  readonly key: string;
  readonly prediction: number;
  readonly data: number;
}

/** What keys of one file found no partner, or named no single row. */
export interface LeftOut {
  /** Keys that occur more than once: which of the rows is meant nobody can tell. */
  readonly repeated: readonly string[];
  /** Keys that the other file does not have. */
  readonly unmatched: readonly string[];
  readonly rowsWithoutKey: number;
}

export interface MatchedRows {
  /** In the order of the predictions. */
  readonly matched: readonly MatchedRow[];
  readonly predictions: LeftOut;
  readonly data: LeftOut;
}

interface KeyIndex {
  readonly rowOf: ReadonlyMap<string, number>;
  readonly repeated: ReadonlySet<string>;
  readonly rowsWithoutKey: number;
}

function indexOf(keys: readonly RawValue[]): KeyIndex {
  const rowOf = new Map<string, number>();
  const repeated = new Set<string>();
  let rowsWithoutKey = 0;
  for (const [row, value] of keys.entries()) {
    if (value === null || value === '') {
      rowsWithoutKey += 1;
      continue;
    }
    const key = String(value);
    if (rowOf.has(key)) repeated.add(key);
    else rowOf.set(key, row);
  }
  return { rowOf, repeated, rowsWithoutKey };
}

const leftOut = (own: KeyIndex, other: KeyIndex): LeftOut => ({
  repeated: [...own.repeated],
  unmatched: [...own.rowOf.keys()].filter((key) => !other.rowOf.has(key)),
  rowsWithoutKey: own.rowsWithoutKey,
});

/** Joins predictions with their inputs by key; only a key that names one row on each side is joined. */
export function matchRows(
  predictionKeys: readonly RawValue[],
  dataKeys: readonly RawValue[],
): MatchedRows {
  const [predictions, data] = [indexOf(predictionKeys), indexOf(dataKeys)];
  const matched = [...predictions.rowOf].flatMap(([key, prediction]) => {
    const row = data.rowOf.get(key);
    const isOne = !predictions.repeated.has(key) && !data.repeated.has(key);
    return row === undefined || !isOne ? [] : [{ key, prediction, data: row }];
  });
  return {
    matched,
    predictions: leftOut(predictions, data),
    data: leftOut(data, predictions),
  };
}
