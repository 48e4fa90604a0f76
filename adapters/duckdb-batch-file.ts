import { join } from 'node:path';
import type { Signature } from '../core/inference/signature.ts';
import type { Column } from '../core/model/column.ts';
import { type DuckdbDatabase, sqlName, sqlText, UnreadableDataError } from './duckdb-database.ts';
import { type RawTable, readRawFile } from './duckdb-raw-files.ts';
import {
  type Columns,
  judgedRows,
  type Rejected,
  shownCharacters,
  takeRejected,
} from './duckdb-typed-tables.ts';

/** Names that the predictions of a batch have. */
export const predictionColumns = [
  'prediction',
  'prediction_details',
  'prediction_id',
  'model_version',
  '__row',
] as const;

/** A file that a batch can be made of. */
export interface BatchFile {
  readonly rows: number;
  /** The number of the last one: blank lines count among lines. */
  readonly last: number;
  /** Of a file that is text: a Parquet file of its rows, typed and judged, in the database's folder. */
  readonly typedRows?: string;
}

/** Columns that the model knows; those beside its inputs may be empty, as at the endpoint. */
export const batchColumns = ({ inputs, passthrough }: Signature): Columns =>
  Object.fromEntries<Column>([
    ...inputs.map(({ name, ...column }) => [name, column] as const),
    ...passthrough.map(({ name, ...column }) => [name, { ...column, nullable: true }] as const),
  ]);

const listed = (names: readonly string[]): string => names.slice(0, 30).join(', ');

/** What is wrong with the columns as a whole, so that no row can be scored. */
function columnProblems(raw: RawTable, columns: Columns): string[] {
  const names = raw.columnsAreOptional ? Object.keys(columns) : raw.header;
  const missing = raw.columnsAreOptional
    ? []
    : Object.keys(columns).filter((name) => !columns[name]?.nullable && !raw.columns.has(name));
  const lower = names.map((name) => name.toLowerCase());
  const alike = names.filter((name, i) => lower.indexOf(name.toLowerCase()) !== i);
  const taken = Object.keys(columns).filter(
    (name) =>
      names.includes(name) && (predictionColumns as readonly string[]).includes(name.toLowerCase()),
  );
  return [
    ...missing.map(
      (name) =>
        `the file has no column ${name} but ${listed(raw.header)}; add it (the model needs it)`,
    ),
    ...alike.map((name) => `the file has the column ${name} more than once; rename the others`),
    ...taken.map((name) => `the column ${name} has the name of a column of the results; rename it`),
  ];
}

/** A text file's columns in its own order: what the model does not know comes along as it is written. */
function columnsOf(raw: RawTable, columns: Columns): Columns {
  if (raw.columnsAreOptional) return columns;
  const text: Column = { type: 'string', nullable: true, sensitive: false };
  return Object.fromEntries(raw.header.map((name) => [name, columns[name] ?? text]));
}

/** The rows that the CSV reader left out take their places among the others again. */
async function restoreRejected(
  database: DuckdbDatabase,
  rejected: readonly Rejected[],
): Promise<void> {
  // A line is one further down than its row; so many rows of the table come before it.
  const gone = rejected.map(({ line, why }, i) => ({ row: line - 1, before: line - 2 - i, why }));
  const values = gone.map(
    ({ row, before, why }) =>
      `(${row}, ${before}, ${sqlText(`the row cannot be read (${why}); correct its form`)})`,
  );
  await database.run(
    `CREATE TABLE gone AS SELECT * FROM (VALUES ${values.join(', ')}) AS g(row, before, why)`,
  );
  await database.run(
    `CREATE TABLE numbered AS SELECT * REPLACE (n + (SELECT count(*) FROM gone WHERE before < n) AS n)
     FROM judged`,
  );
  await database.run('DROP TABLE judged');
  await database.run('ALTER TABLE numbered RENAME TO judged');
  await database.run('INSERT INTO judged (n, form) SELECT row, why FROM gone');
}

async function typeText(
  database: DuckdbDatabase,
  raw: RawTable,
  columns: Columns,
): Promise<BatchFile> {
  await database.run(
    `CREATE TABLE judged AS SELECT * EXCLUDE (is_row),
       CASE WHEN NOT is_row THEN 'the line is not one JSON object; correct its form' END AS form
     FROM (${judgedRows(raw, columnsOf(raw, columns))})`,
  );
  const rejected = await takeRejected(database);
  if (rejected.length > 0) await restoreRejected(database, rejected);
  const [counts] = await database.rows('SELECT count(*), coalesce(max(n), 0) FROM judged');
  const path = join(database.folder, 'typed.parquet');
  await database.run(
    `COPY (SELECT * FROM judged ORDER BY n) TO ${sqlText(path)} (FORMAT parquet, COMPRESSION zstd)`,
  );
  await database.run('DROP TABLE judged');
  return { rows: Number(counts?.[0]), last: Number(counts?.[1]), typedRows: path };
}

/**
 * Finds out whether a file can be scored, and how many rows it has.
 * @param file in the database's folder, with its own name
 * @returns the file, or why no row of it can be scored
 */
export async function readBatchFile(
  database: DuckdbDatabase,
  file: { readonly path: string; readonly name: string },
  signature: Signature,
): Promise<BatchFile | { readonly reasons: readonly string[] }> {
  const columns = batchColumns(signature);
  const raw = await readRawFile(database, file, Object.keys(columns));
  if ('unreadable' in raw) return { reasons: [raw.unreadable.message] };
  const problems = columnProblems(raw, columns);
  if (problems.length > 0) return { reasons: problems };
  try {
    if (/\.parquet$/i.test(file.name)) {
      const [counted] = await database.rows(`SELECT count(*) FROM ${raw.relation}`);
      const rows = Number(counted?.[0]);
      return rows > 0 ? { rows, last: rows } : noRows;
    }
    const typed = await typeText(database, raw, columns);
    return typed.rows > 0 ? typed : noRows;
  } catch (error) {
    if (!(error instanceof UnreadableDataError)) throw error;
    const what = error.message.slice(0, shownCharacters * 4);
    return { reasons: [`the file cannot be read (${what}); write it again and drop it`] };
  }
}

const noRows = { reasons: ['the file has no rows; drop it again with its rows'] };

/** SQL of a Parquet file's columns by name, as the results have them: all but those that results have. */
export const carriedColumns = (names: readonly string[]): string[] =>
  names
    .filter((name) => !(predictionColumns as readonly string[]).includes(name.toLowerCase()))
    .map(sqlName);
