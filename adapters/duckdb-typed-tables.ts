import { type Example, type Finding, maximumExamples } from '../core/datasets/validation-report.ts';
import type { RawColumns, RawValue } from '../core/features/raw-values.ts';
import type { Column } from '../core/model/column.ts';
import {
  caseMarked,
  type DuckdbDatabase,
  sqlName,
  sqlText,
  UnreadableDataError,
} from './duckdb-database.ts';
import { type RawTable, readRawFile } from './duckdb-raw-files.ts';
import { sqlTypeOf, typedValue } from './duckdb-typed-values.ts';

/** A file's rows in the declared types, in the file's order. */
export interface TypedTable {
  readonly name: string;
  /** All rows of the file, those that are broken included. */
  readonly rows: number;
  /** What is wrong with the file's columns and with the form of its rows. */
  readonly findings: readonly Finding[];
  /** The file's row, from 1 on, of a row of the table by its number there. */
  readonly rowInFile: (n: number) => number;
}

export type Columns = Readonly<Record<string, Column>>;

// Of each declared column a table has the value (v), what is wrong with it (p: 0 nothing, 1 it is null,
// 2 it is not of the type), and where it is not of the type, what it is (s).
const marked = (kind: string, name: string): string => sqlName(`${kind}_${caseMarked(name)}`);
export const valueColumn = (name: string): string => marked('v', name);
export const problemColumn = (name: string): string => marked('p', name);
export const shownColumn = (name: string): string => marked('s', name);
export const isNull = 1;
export const isOfOtherType = 2;
export const shownCharacters = 120;

const fileFinding = (rule: Finding['rule'], message: string, column?: string): Finding => ({
  rule,
  ...(column === undefined ? {} : { column }),
  count: 1,
  message,
  examples: [],
});

function columnFindings(raw: RawTable, columns: Columns): Finding[] {
  if (raw.columnsAreOptional) return [];
  const declared = Object.keys(columns);
  const repeated = raw.header.filter((name, i) => raw.header.indexOf(name) !== i);
  return [
    ...declared
      .filter((name) => !raw.columns.has(name))
      .map((name) =>
        fileFinding(
          'column_missing',
          `the file has no column ${name} but ${raw.header.slice(0, 30).join(', ')}; add it and drop the file again`,
          name,
        ),
      ),
    ...[...new Set(raw.header)]
      .filter((name) => !(name in columns))
      .map((name) => unknownColumn(name, 1)),
    ...[...new Set(repeated)].map((name) =>
      fileFinding(
        'column_repeated',
        `the file has more than one column ${name}; remove the others`,
        name.slice(0, shownCharacters),
      ),
    ),
  ];
}

function unknownColumn(name: string, count: number): Finding {
  const shown = name.slice(0, shownCharacters);
  return {
    rule: 'column_unknown',
    column: shown,
    count,
    message: `the column '${shown}' is not declared; remove it from the file, or declare it in model.ts`,
    examples: [],
  };
}

/** SQL of a column in the two selects that make a table: the inner one reads, the outer one judges. */
export function columnSql(
  name: string,
  column: Column,
  raw: RawTable,
): { read: string[]; judged: string[] } {
  const [v, p, s] = [valueColumn(name), problemColumn(name), shownColumn(name)];
  const [none, text] = [marked('n', name), marked('x', name)];
  const type = sqlTypeOf[column.type];
  const source = raw.columns.get(name);
  if (!source) {
    const judged = [`CAST(NULL AS ${type}) AS ${v}`, `CAST(0 AS UTINYINT) AS ${p}`];
    return { read: [], judged: [...judged, `CAST(NULL AS VARCHAR) AS ${s}`] };
  }
  const typed = typedValue(column.type, source.storage, source.sql);
  const shown = column.sensitive ? 'NULL' : `left(${typed.shown}, ${shownCharacters})`;
  const isGood = `${v} IS NOT NULL AND ${typed.isInRange(v)}`;
  const isWrong = `is_row AND NOT ${none} AND NOT (${isGood})`;
  return {
    read: [`${typed.value} AS ${v}`, `${typed.isNull} AS ${none}`, `${shown} AS ${text}`],
    judged: [
      `CAST(CASE WHEN ${isGood} THEN ${v} END AS ${type}) AS ${v}`,
      `CAST(CASE WHEN ${isWrong} THEN ${isOfOtherType} WHEN is_row AND ${none} THEN ${isNull} ELSE 0 END AS UTINYINT) AS ${p}`,
      `CAST(CASE WHEN ${isWrong} THEN ${text} END AS VARCHAR) AS ${s}`,
    ],
  };
}

/** SQL of a file's rows, by number and whether each is a row at all, with its columns read and judged. */
export function judgedRows(
  raw: RawTable,
  columns: Columns,
  number = raw.isBroken ? 'line_number' : 'row_number() OVER ()',
): string {
  const parts = Object.entries(columns).map(([name, column]) => columnSql(name, column, raw));
  const isRow = raw.isBroken ? `NOT (${raw.isBroken})` : 'true';
  const read = [`${number} AS n`, `${isRow} AS is_row`, ...parts.flatMap((part) => part.read)];
  const judged = ['n', 'is_row', ...parts.flatMap((part) => part.judged)];
  return `SELECT ${judged.join(', ')} FROM (SELECT ${read.join(', ')} FROM ${raw.relation})`;
}

export interface Rejected {
  readonly line: number;
  readonly text: string | null;
  readonly why: string;
}

/** Rows that a CSV reader left out because of their form, by line; the header is line 1. */
export async function takeRejected(database: DuckdbDatabase): Promise<Rejected[]> {
  const [found] = await database.rows(
    "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'rejected'",
  );
  if (Number(found?.[0]) === 0) return [];
  const rows = await database.rows(
    `SELECT line, left(any_value(csv_line), ${shownCharacters}), lower(min(error_type::VARCHAR))
     FROM rejected GROUP BY line ORDER BY line`,
  );
  await database.run('DROP TABLE rejected');
  await database.run('DROP TABLE IF EXISTS rejected_scans');
  return rows.map(([line, text, why]) => ({
    line: Number(line),
    text: text === null ? null : String(text),
    why: String(why),
  }));
}

function rowFormFinding(count: number, examples: Example[], why: string): Finding {
  const message = `the row cannot be read (${why}); correct its form and drop the file again`;
  return { rule: 'row_form', count, message, examples };
}

function rejectedFindings(rejected: readonly Rejected[], sensitive: boolean): Finding[] {
  if (rejected.length === 0) return [];
  const examples = rejected.slice(0, maximumExamples).map(({ line, text }) => ({
    row: Math.max(line - 1, 1),
    value: sensitive ? null : text,
  }));
  const why = [...new Set(rejected.map((row) => row.why))].join(', ');
  return [rowFormFinding(rejected.length, examples, why)];
}

/** Where rows of the file are not in the table, the table's n-th row is further down in the file. */
function rowInFile(rejected: readonly Rejected[]): (n: number) => number {
  const left = rejected.map(({ line }) => line - 1);
  return (n) => {
    let row = n;
    for (const gone of left) {
      if (gone > row) break;
      row += 1;
    }
    return row;
  };
}

async function brokenLines(
  database: DuckdbDatabase,
  raw: RawTable,
  sensitive: boolean,
): Promise<Finding[]> {
  if (!raw.isBroken) return [];
  const broken = await database.rows(
    `SELECT line_number, left(line, ${shownCharacters}), count(*) OVER () FROM ${raw.relation}
     WHERE ${raw.isBroken} ORDER BY line_number LIMIT ${maximumExamples}`,
  );
  if (broken.length === 0) return [];
  const examples = broken.map(([row, text]) => ({
    row: Number(row),
    value: sensitive ? null : String(text),
  }));
  return [rowFormFinding(Number(broken[0]?.[2]), examples, 'it is not one JSON object')];
}

async function unknownKeys(
  database: DuckdbDatabase,
  raw: RawTable,
  columns: Columns,
): Promise<Finding[]> {
  if (!raw.isBroken) return [];
  const known = Object.keys(columns).map(sqlText).join(', ');
  const keys = await database.rows(
    `SELECT key, count(*) FROM (SELECT unnest(json_keys(line)) AS key FROM ${raw.relation} WHERE is_object)
     WHERE key NOT IN (${known}) GROUP BY key ORDER BY count(*) DESC, key LIMIT 50`,
  );
  return keys.map(([key, count]) => unknownColumn(String(key), Number(count)));
}

/**
 * Reads a downloaded file into a new table. Without columns it is the number of rows that is asked for.
 * @returns the table, or the finding why the file cannot be read
 */
export async function loadTypedTable(
  database: DuckdbDatabase,
  file: { readonly path: string; readonly name: string },
  columns: Columns,
  name: string,
): Promise<TypedTable | { readonly unreadable: Finding }> {
  const raw = await readRawFile(database, file, Object.keys(columns));
  if ('unreadable' in raw) return raw;
  const sensitive = Object.values(columns).some((column) => column.sensitive);
  const asked = Object.keys(columns).length > 0;
  try {
    await database.run(`CREATE TABLE ${name} AS ${judgedRows(raw, columns)}`);
    const rejected = await takeRejected(database);
    const [counted] = await database.rows(`SELECT count(*) FROM ${name}`);
    return {
      name,
      rows: Number(counted?.[0]) + rejected.length,
      findings: [
        ...(asked ? columnFindings(raw, columns) : []),
        ...(asked ? await unknownKeys(database, raw, columns) : []),
        ...rejectedFindings(rejected, sensitive),
        ...(await brokenLines(database, raw, sensitive)),
      ],
      rowInFile: rowInFile(rejected),
    };
  } catch (error) {
    if (!(error instanceof UnreadableDataError)) throw error;
    const message = `the file cannot be read (${error.message}); write it again and drop it`;
    return { unreadable: fileFinding('file_content', message) };
  }
}

/** Leaves so many of a table's rows, chosen by their places alone: the same each time, in their order. */
export async function keepSample(
  database: DuckdbDatabase,
  table: TypedTable,
  rows: number,
): Promise<TypedTable> {
  const { name } = table;
  await database.run(
    `DELETE FROM ${name} WHERE n NOT IN (SELECT n FROM ${name} ORDER BY hash(n), n LIMIT ${rows})`,
  );
  const [counted] = await database.rows(`SELECT count(*) FROM ${name}`);
  return { ...table, rows: Number(counted?.[0]) };
}

/** Some columns of a table's rows in their order, a few thousand rows at a time. */
export async function* typedColumns(
  database: DuckdbDatabase,
  table: TypedTable,
  columns: readonly string[],
): AsyncGenerator<{ readonly rows: number; readonly columns: RawColumns }> {
  const wanted = [...new Set(columns)];
  const select = wanted.map((name) => `, ${valueColumn(name)}`).join('');
  let last = 0;
  let rows = 0;
  for await (const chunk of database.chunks(`SELECT n${select} FROM ${table.name}`)) {
    const [numbers = [], ...values] = chunk.columns;
    for (const n of numbers) {
      if (Number(n) <= last)
        throw new RangeError(`row ${n} of ${table.name} came after row ${last}`);
      last = Number(n);
    }
    rows += chunk.rows;
    yield {
      rows: chunk.rows,
      // Every value was made a string, a double or a boolean.
      columns: Object.fromEntries(
        wanted.map((name, i) => [name, (values[i] ?? []) as readonly RawValue[]]),
      ),
    };
  }
  if (rows !== table.rows) {
    throw new RangeError(`${rows} rows of ${table.name} were read and there are ${table.rows}`);
  }
}

/** The smallest and the largest value of a column of numbers or instants; undefined where there is none. */
export async function extent(
  database: DuckdbDatabase,
  tables: readonly TypedTable[],
  column: string,
): Promise<{ readonly smallest: number; readonly largest: number } | undefined> {
  const found: number[] = [];
  const value = valueColumn(column);
  for (const { name } of tables) {
    const [row = []] = await database.rows(`SELECT min(${value}), max(${value}) FROM ${name}`);
    found.push(...row.filter((each) => typeof each === 'number'));
  }
  if (found.length === 0) return undefined;
  return { smallest: Math.min(...found), largest: Math.max(...found) };
}
