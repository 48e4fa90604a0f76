import { join } from 'node:path';
import { BIGINT, DOUBLE, type DuckDBType } from '@duckdb/node-api';
import { type DuckdbDatabase, sqlName, sqlText } from './duckdb-database.ts';

/** A column of the file, and how it lies in the table that becomes it. */
export interface StoredColumn {
  readonly name: string;
  readonly type: DuckDBType;
  /** SQL of what the file has of the table's field; the field itself where it is left out. */
  readonly write?: (field: string) => string;
}

type Values = Parameters<Awaited<ReturnType<DuckdbDatabase['appender']>>['append']>[0];

/**
 * A Parquet file of rows to learn from in the making: its columns, `__label` and `__row`. The same rows give
 * the same bytes.
 */
export async function parquetTable(
  database: DuckdbDatabase,
  table: string,
  columns: readonly StoredColumn[],
  rowGroup: number,
) {
  const declared = columns.map(({ type }, i) => `c${i} ${type}`).join(', ');
  await database.run(`CREATE TABLE ${table} (${declared}, label DOUBLE, row_number BIGINT)`);
  const types = [...columns.map(({ type }) => type), DOUBLE, BIGINT];
  const appender = await database.appender(table, types);
  let rows = 0;
  return {
    get rows(): number {
      return rows;
    },

    /** Takes rows in, column by column. */
    append(values: Values, labels: readonly number[], numbers: readonly number[]): void {
      appender.append([...values, labels, numbers.map(BigInt)], numbers.length);
      rows += numbers.length;
    },

    /** Writes the file and answers its path. */
    async finish(): Promise<string> {
      appender.close();
      const path = join(database.folder, `${table}.parquet`);
      const select = columns.map(
        ({ name, write }, i) => `${write?.(`c${i}`) ?? `c${i}`} AS ${sqlName(name)}`,
      );
      await database.run(
        `COPY (SELECT ${select.join(', ')}, label AS __label, row_number AS __row FROM ${table})
         TO ${sqlText(path)} (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE ${rowGroup})`,
      );
      await database.run(`DROP TABLE ${table}`);
      return path;
    },
  };
}
