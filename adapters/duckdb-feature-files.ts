import { join } from 'node:path';
import { BIGINT, DOUBLE, FLOAT } from '@duckdb/node-api';
import { type DuckdbDatabase, sqlName, sqlText } from './duckdb-database.ts';

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
  const fields = names.map((_, i) => `f${i}`);
  const declared = fields.map((field) => `${field} FLOAT`).join(', ');
  await database.run(`CREATE TABLE ${table} (${declared}, label DOUBLE, row_number BIGINT)`);
  const types = [...fields.map(() => FLOAT), DOUBLE, BIGINT];
  const appender = await database.appender(table, types);
  let rows = 0;
  return {
    get rows(): number {
      return rows;
    },

    append({ features, labels, numbers }: FeatureRows): void {
      if (numbers.length === 0) return;
      const columns = features.map((values) => Array.from(values, missing));
      appender.append([...columns, labels, numbers.map(BigInt)], numbers.length);
      rows += numbers.length;
    },

    /** Writes the file and answers its path. */
    async finish(): Promise<string> {
      appender.close();
      const path = join(database.folder, `${table}.parquet`);
      const select = names.map((name, i) => `f${i} AS ${sqlName(name)}`).join(', ');
      await database.run(
        `COPY (SELECT ${select}, label AS __label, row_number AS __row FROM ${table})
         TO ${sqlText(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroup})`,
      );
      await database.run(`DROP TABLE ${table}`);
      return path;
    },
  };
}
