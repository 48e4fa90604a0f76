import { FLOAT } from '@duckdb/node-api';
import type { DuckdbDatabase } from './duckdb-database.ts';
import { parquetTable } from './duckdb-parquet-table.ts';

const rowGroup = 122_880;
const missing = (value: number): number | null => (Number.isNaN(value) ? null : value);

/** Rows of one chunk: a feature is missing where it is NaN. */
export interface FeatureRows {
  readonly features: readonly Float32Array[];
  readonly labels: readonly number[];
  /** Numbers of the rows in the whole snapshot. */
  readonly numbers: readonly number[];
}

/**
 * A Parquet file of features in the making: a FLOAT column per feature, `__label` and `__row`. The same
 * rows give the same bytes.
 */
export async function featureFile(
  database: DuckdbDatabase,
  table: string,
  names: readonly string[],
) {
  const columns = names.map((name) => ({ name, type: FLOAT }));
  const file = await parquetTable(database, table, columns, rowGroup);
  return {
    get rows(): number {
      return file.rows;
    },

    append({ features, labels, numbers }: FeatureRows): void {
      if (numbers.length === 0) return;
      file.append(
        features.map((values) => Array.from(values, missing)),
        labels,
        numbers,
      );
    },

    finish: file.finish,
  };
}
