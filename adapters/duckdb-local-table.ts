import { copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { RawColumns, RawValue } from '../core/features/raw-values.ts';
import { type DuckdbDatabase, withDuckdb } from './duckdb-database.ts';
import { type RawTable, readRawFile } from './duckdb-raw-files.ts';
import {
  type Columns,
  isOfOtherType,
  loadTypedTable,
  problemColumn,
  shownColumn,
  type TypedTable,
  typedColumns,
} from './duckdb-typed-tables.ts';
import type { Storage } from './duckdb-typed-values.ts';

/** A file of this machine is not the table it should be; the message names file, column and value. */
export class LocalTableError extends Error {
  override readonly name = 'LocalTableError';
}

export interface LocalTable {
  readonly rows: number;
  /** The columns that were asked for, as the pipeline reads them: timestamps in microseconds. */
  readonly columns: RawColumns;
}

/** How the file holds each of its columns. */
export type Header = ReadonlyMap<string, Storage>;

/** @throws LocalTableError naming the first value of a column that is not of its type. */
async function checkTypes(
  database: DuckdbDatabase,
  table: TypedTable,
  columns: Columns,
  name: string,
): Promise<void> {
  for (const [column, { sensitive, type }] of Object.entries(columns)) {
    const [found] = await database.rows(
      `SELECT n, ${shownColumn(column)}, count(*) OVER () FROM ${table.name}
       WHERE ${problemColumn(column)} = ${isOfOtherType} ORDER BY n LIMIT 1`,
    );
    if (!found) continue;
    const [row, value, count] = found;
    const shown = sensitive ? '' : `, the first is '${value}'`;
    throw new LocalTableError(
      `${name} has ${count} row(s) whose ${column} is not of the type ${type}${shown} in row ${row}; correct them`,
    );
  }
}

async function allRows(
  database: DuckdbDatabase,
  table: TypedTable,
  names: readonly string[],
): Promise<RawColumns> {
  const columns = Object.fromEntries(names.map((name) => [name, [] as RawValue[]]));
  for await (const chunk of typedColumns(database, table, names)) {
    for (const name of names) columns[name]?.push(...(chunk.columns[name] ?? []));
  }
  return columns;
}

/** Opens the file in a database; it is in the database's own folder, which is all that one reads. */
function withFile<T>(
  path: string,
  known: readonly string[],
  use: (file: {
    readonly database: DuckdbDatabase;
    readonly raw: RawTable;
    readonly path: string;
    readonly name: string;
  }) => Promise<T>,
): Promise<T> {
  return withDuckdb(async (database) => {
    const name = basename(path);
    const file = { path: join(database.folder, 'table'), name };
    await copyFile(path, file.path);
    const raw = await readRawFile(database, file, known);
    if ('unreadable' in raw) throw new LocalTableError(`${name}: ${raw.unreadable.message}`);
    if (raw.header.length === 0) {
      throw new LocalTableError(`${name} names no columns; write it as .csv or .parquet`);
    }
    return use({ database, raw, ...file });
  });
}

/**
 * The columns of a CSV or Parquet file of this machine.
 * @param known names that they may have, to find out what parts them
 * @throws LocalTableError
 */
export const readHeader = (path: string, known: readonly string[]): Promise<Header> =>
  withFile(
    path,
    known,
    async ({ raw }) => new Map([...raw.columns].map(([name, { storage }]) => [name, storage])),
  );

/**
 * Some columns of a CSV or Parquet file of this machine, as the pipeline reads a dropped one.
 * @throws LocalTableError
 */
export const readLocalTable = (path: string, columns: Columns): Promise<LocalTable> =>
  withFile(path, Object.keys(columns), async ({ database, name, path: copy }) => {
    const table = await loadTypedTable(database, { path: copy, name }, columns, 'local_rows');
    if ('unreadable' in table) throw new LocalTableError(`${name}: ${table.unreadable.message}`);
    const [wrong] = table.findings.filter(({ rule }) => rule !== 'column_unknown');
    if (wrong) throw new LocalTableError(`${name}: ${wrong.message}`);
    await checkTypes(database, table, columns, name);
    return { rows: table.rows, columns: await allRows(database, table, Object.keys(columns)) };
  });
