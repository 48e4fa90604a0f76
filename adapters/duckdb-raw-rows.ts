import { join } from 'node:path';
import { BOOLEAN, DOUBLE, type DuckDBType, VARCHAR } from '@duckdb/node-api';
import type { RawColumns, RawValue } from '../core/features/raw-values.ts';
import type { ColumnType } from '../core/model/column.ts';
import {
  caseMarked,
  caseUnmarked,
  type DuckdbDatabase,
  sqlName,
  sqlText,
} from './duckdb-database.ts';
import { sqlTypeOf } from './duckdb-typed-values.ts';

const typeOf: Readonly<Record<string, DuckDBType>> = { VARCHAR, DOUBLE, BOOLEAN };

/**
 * A Parquet file of raw rows in the making, in the declared types. The same rows give the same bytes.
 * @param columns name and type of each
 */
export async function rawRowsFile(
  database: DuckdbDatabase,
  table: string,
  columns: readonly { readonly name: string; readonly type: ColumnType }[],
) {
  const types = columns.map(({ type }) => sqlTypeOf[type]);
  await database.run(
    `CREATE TABLE ${table} (${types.map((type, i) => `c${i} ${type}`).join(', ')})`,
  );
  const appender = await database.appender(
    table,
    types.map((type) => typeOf[type] ?? VARCHAR),
  );
  return {
    /** Takes some of a chunk's rows, by their places in it. */
    append(chunk: RawColumns, picked: readonly number[]): void {
      if (picked.length === 0) return;
      const values = columns.map(({ name }) => picked.map((row) => chunk[name]?.[row] ?? null));
      appender.append(values, picked.length);
    },

    /** Writes the file and answers its path. */
    async finish(): Promise<string> {
      appender.close();
      const path = join(database.folder, `${table}.parquet`);
      const select = columns
        .map(({ name }, i) => `c${i} AS ${sqlName(caseMarked(name))}`)
        .join(', ');
      await database.run(
        `COPY (SELECT ${select} FROM ${table}) TO ${sqlText(path)} (FORMAT parquet, COMPRESSION zstd)`,
      );
      await database.run(`DROP TABLE ${table}`);
      return path;
    },
  };
}

/** The columns that such a file in the database's folder has. */
export async function rawRowsColumns(database: DuckdbDatabase, path: string): Promise<string[]> {
  const rows = await database.rows(`DESCRIBE SELECT * FROM read_parquet(${sqlText(path)})`);
  return rows.map(([name]) => caseUnmarked(String(name)));
}

/** Some columns of such a file's rows, in its order, about 2,000 rows at a time. */
export async function* rawRows(
  database: DuckdbDatabase,
  path: string,
  columns: readonly string[],
): AsyncGenerator<{ readonly rows: number; readonly columns: RawColumns }> {
  const wanted = [...new Set(columns)];
  const select = wanted.map((name) => sqlName(caseMarked(name))).join(', ') || 'NULL';
  for await (const chunk of database.chunks(
    `SELECT ${select} FROM read_parquet(${sqlText(path)})`,
  )) {
    yield {
      rows: chunk.rows,
      columns: Object.fromEntries(
        wanted.map((name, i) => [name, (chunk.columns[i] ?? []) as readonly RawValue[]]),
      ),
    };
  }
}
