import { BIGINT, BOOLEAN, DOUBLE, type DuckDBType, VARCHAR } from '@duckdb/node-api';
import type { InputColumn } from '../core/features/feature-spec.ts';
import type { RawColumns, RawValue } from '../core/features/raw-values.ts';
import type { ColumnType } from '../core/model/column.ts';
import type { DuckdbDatabase } from './duckdb-database.ts';
import { parquetTable } from './duckdb-parquet-table.ts';

/** Values of a row group: a wide table has fewer rows in each. */
const rowGroupValues = 12_288_000;
const rowsAtLeast = 2_048;
const rowsAtMost = 122_880;

/** How a column's values are kept: its DuckDB type, and SQL of what the file has of it. */
interface Stored {
  readonly type: DuckDBType;
  readonly write: (field: string) => string;
  readonly value: (value: Exclude<RawValue, null>) => string | number | bigint | boolean;
}
const asIs = { write: (field: string) => field, value: (value: Exclude<RawValue, null>) => value };
const whole = (value: Exclude<RawValue, null>) => BigInt(value);
const storedAs: Record<ColumnType, Stored> = {
  string: { type: VARCHAR, ...asIs },
  number: { type: DOUBLE, ...asIs },
  boolean: { type: BOOLEAN, ...asIs },
  integer: { type: BIGINT, ...asIs, value: whole },
  /** Microseconds, UTC. */
  timestamp: { type: BIGINT, write: (field) => `make_timestamp(${field})`, value: whole },
};

/** Rows of one chunk of raw columns. */
export interface ColumnRows {
  readonly columns: RawColumns;
  /** Places of the rows in the chunk. */
  readonly picked: readonly number[];
  readonly labels: readonly number[];
  /** Numbers of the rows in the whole snapshot. */
  readonly numbers: readonly number[];
}

/**
 * A Parquet file of raw columns in the making, each of its own type (VARCHAR, BIGINT, DOUBLE, BOOLEAN,
 * TIMESTAMP in UTC) and name, with `__label` and `__row`. The same rows give the same bytes.
 */
export async function columnFile(
  database: DuckdbDatabase,
  table: string,
  columns: readonly InputColumn[],
) {
  const stored = columns.map(({ name, type }) => ({ ...storedAs[type], name }));
  const fitting = Math.floor(rowGroupValues / columns.length);
  const rowGroup = Math.max(rowsAtLeast, Math.min(rowsAtMost, fitting));
  const file = await parquetTable(database, table, stored, rowGroup);
  return {
    get rows(): number {
      return file.rows;
    },

    append({ columns: chunk, picked, labels, numbers }: ColumnRows): void {
      if (picked.length === 0) return;
      const values = stored.map(({ name, value }) =>
        picked.map((row) => {
          const found = chunk[name]?.[row] ?? null;
          return found === null ? null : value(found);
        }),
      );
      file.append(values, labels, numbers);
    },

    finish: file.finish,
  };
}
