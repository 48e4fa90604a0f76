import { copyFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { DuckDBValue } from '@duckdb/node-api';
import type { ColumnSummary, TableSummary } from '../core/model/column-summary.ts';
import type { Task } from '../core/model/task.ts';
import { type DuckdbDatabase, sqlName, sqlText, UnreadableDataError } from './duckdb-database.ts';
import { type RawTable, readRawFile } from './duckdb-raw-files.ts';
import { type Storage, typedValue } from './duckdb-typed-values.ts';

/** A row as text, in the order of the columns that were asked for; null where there is no value. */
export type SampleRow = readonly (string | null)[];

/** A data file cannot be summarised; the message says why, and the fix. */
export class UnusableFileError extends Error {
  override readonly name = 'UnusableFileError';
}

type Choose = (names: readonly string[]) => readonly string[];

const table = 'summarised';
const mostTopValues = 12;
/** Enough for every statement about a single column; more only takes longer. */
const mostAssociationRows = 200_000;
const mostCategories = 50;

interface Source {
  readonly name: string;
  /** SQL of the value in the table, and how it is held. */
  readonly sql: string;
  readonly storage: Storage;
}

/** What read_csv of pandas takes for missing, besides an empty cell. */
const missingWords =
  '#N/A|#N/A N/A|#NA|-1.#IND|-1.#QNAN|-NaN|-nan|1.#IND|1.#QNAN|<NA>|N/A|NA|NULL|NaN|None|n/a|nan|null'
    .split('|')
    .map(sqlText)
    .join(', ');

const fileNameOf = (path: string): string => basename(path);

async function rawTable(
  database: DuckdbDatabase,
  path: string,
  columns: readonly string[],
): Promise<RawTable> {
  const raw = await readRawFile(database, { path, name: fileNameOf(path) }, columns);
  if (!('unreadable' in raw)) return raw;
  throw new UnusableFileError(raw.unreadable.message.replaceAll(/ and drop it( again)?/g, ''));
}

/** JSON Lines have no header: their columns are all keys of all rows, in order of appearance. */
async function keysOf(database: DuckdbDatabase, raw: RawTable): Promise<string[]> {
  const rows = await database.rows(
    `SELECT key FROM (SELECT line_number, unnest(json_keys(line)) AS key,
       generate_subscripts(json_keys(line), 1) AS place FROM ${raw.relation} WHERE is_object)
     GROUP BY key ORDER BY min(line_number), min(place)`,
  );
  return rows.map(([key]) => String(key));
}

/** The file's rows in a table, and where each of its columns is in it. */
async function loaded(
  database: DuckdbDatabase,
  path: string,
  hints: readonly string[],
  choose: Choose,
) {
  let source = path;
  if (/\.parquet$/i.test(path)) {
    // The database reaches no other folder than its own.
    source = join(database.folder, fileNameOf(path));
    await copyFile(path, source);
  }
  let raw = await rawTable(database, source, hints);
  const [only = ''] = raw.header;
  const separator = /[;\t|]/.exec(only)?.[0];
  // No hint is in the header, and yet it is not one column.
  if (raw.header.length === 1 && separator) {
    raw = await rawTable(database, source, only.split(separator));
  }
  if (raw.columnsAreOptional) {
    const names = await keysOf(database, raw);
    raw = { ...(await rawTable(database, source, names)), header: names };
  }
  const repeated = raw.header.find((name, i) => raw.header.indexOf(name) !== i);
  if (repeated !== undefined) {
    throw new UnusableFileError(
      `the header names the column '${repeated}' twice; rename or remove one of them`,
    );
  }
  const chosen = choose([...raw.columns.keys()]).flatMap((name) => {
    const column = raw.columns.get(name);
    return column ? [{ name, ...column }] : [];
  });
  const sources = chosen.map(({ name, storage }, i) => ({ name, sql: sqlName(`c${i}`), storage }));
  const selected = chosen.map(({ sql }, i) => `${sql} AS ${sqlName(`c${i}`)}`);
  const where = raw.isBroken ? ` WHERE NOT (${raw.isBroken})` : '';
  await database.run(
    `CREATE TABLE ${table} AS SELECT ${selected.join(', ') || '1'} FROM ${raw.relation}${where}`,
  );
  return { sources, columnsInFile: raw.columns.size, brokenRows: await brokenRows(database, raw) };
}

/** Rows that have not the form of a row: the line of the first one, and how many there are. */
async function brokenRows(database: DuckdbDatabase, raw: RawTable) {
  const query = raw.isBroken
    ? `SELECT min(line_number), count(*) FROM ${raw.relation} WHERE ${raw.isBroken}`
    : 'SELECT min(line), count(DISTINCT line) FROM rejected';
  const [there] = await database.rows(
    "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'rejected'",
  );
  if (!raw.isBroken && Number(there?.[0]) === 0) return { count: 0, firstLine: undefined };
  const [row = []] = await database.rows(query);
  const count = Number(row[1]);
  return { count, firstLine: count === 0 ? undefined : Number(row[0]) };
}

const numberOf = (value: DuckDBValue | undefined): number | undefined =>
  value === null || value === undefined ? undefined : Number(value);

function statisticsSql({ sql, storage }: Source): string {
  const typed = (type: 'integer' | 'number' | 'boolean' | 'timestamp') => {
    const { value, isInRange } = typedValue(type, storage, sql);
    return { value, good: `(${value}) IS NOT NULL AND ${isInRange(`(${value})`)}` };
  };
  const { isNull, shown } = typedValue('string', storage, sql);
  const count = (condition: string) => `count(*) FILTER (WHERE ${condition})`;
  const number = typed('number').value;
  const instant = typed('timestamp').value;
  // A code such as 02134 is no number, though all its characters are digits.
  const coded = storage === 'text' ? `regexp_full_match(trim(${sql}), '[+-]?0[0-9]+')` : 'false';
  return `SELECT count(*), ${count(isNull)}, count(DISTINCT ${shown}),
    ${count(typed('integer').good)}, ${count(typed('number').good)}, ${count(typed('boolean').good)},
    ${count(typed('timestamp').good)}, ${count(coded)},
    min(${number}), max(${number}), min(${instant}), max(${instant}),
    quantile_cont(${instant}, 0.8), avg(length(${shown})),
    ${storage === 'text' ? count(`${sql} IN (${missingWords})`) : 0}
    FROM ${table}`;
}

async function topValues(database: DuckdbDatabase, { sql, storage }: Source) {
  const { isNull, shown } = typedValue('string', storage, sql);
  const rows = await database.rows(
    `SELECT ${shown}, count(*) FROM ${table} WHERE NOT (${isNull})
     GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ${mostTopValues}`,
  );
  return rows.map(([value, count]) => ({ value: String(value), count: Number(count) }));
}

async function summaryOf(database: DuckdbDatabase, source: Source): Promise<ColumnSummary> {
  const [row = []] = await database.rows(statisticsSql(source));
  const [rows, missing, distinct, integers, numbers, booleans, timestamps, coded] = row
    .slice(0, 8)
    .map(Number);
  const present = (rows ?? 0) - (missing ?? 0);
  const words = Number(row[14]);
  const all = (count: number | undefined) => present > 0 && count === present;
  const isText = source.storage === 'text';
  return {
    name: source.name,
    missing: missing ?? 0,
    distinct: distinct ?? 0,
    isInteger: all(integers) && coded === 0,
    isNumber: all(numbers) && coded === 0,
    // In a text file, 0 and 1 are numbers until somebody says otherwise.
    isBoolean: all(booleans) && !(isText && all(integers)),
    isTimestamp: all(timestamps),
    minimum: numberOf(row[8]),
    maximum: numberOf(row[9]),
    earliestMicros: numberOf(row[10]),
    latestMicros: numberOf(row[11]),
    lastFifthMicros: numberOf(row[12]),
    meanCharacters: numberOf(row[13]) ?? 0,
    missingWords: words,
    isNumberButForWords:
      words > 0 && numbers !== undefined && numbers > 0 && numbers + words === present,
    top: await topValues(database, source),
  };
}

/**
 * How well one column alone tells a label: for two classes the area under the ROC curve of its best
 * order, 0.5 … 1; for a number the absolute correlation. undefined where it cannot be said.
 */
async function association(
  database: DuckdbDatabase,
  source: Source,
  label: Source,
  task: Task,
): Promise<number | undefined> {
  const y = `coalesce(${typedValue('number', label.storage, label.sql).value},
    CAST(${typedValue('boolean', label.storage, label.sql).value} AS DOUBLE))`;
  const { shown } = typedValue('string', source.storage, source.sql);
  // Values that are no numbers are put in the order of their labels' means, where each has enough rows.
  const pairs = `(SELECT coalesce(x, CASE WHEN words <= ${mostCategories} THEN avg(y) OVER (PARTITION BY t) END) AS x, y
    FROM (SELECT *, (SELECT count(DISTINCT ${shown}) FROM ${table}) AS words
      FROM (SELECT ${orderedValue(source)} AS x, ${shown} AS t, ${y} AS y FROM ${table} LIMIT ${mostAssociationRows}))
    WHERE t IS NOT NULL AND y IS NOT NULL)`;
  if (task === 'regression') {
    const [row = []] = await database.rows(
      `SELECT abs(corr(x, y)) FROM ${pairs} WHERE x IS NOT NULL`,
    );
    const found = numberOf(row[0]);
    return found === undefined || Number.isNaN(found) ? undefined : found;
  }
  // Mann and Whitney's statistic: ranks of ties are their mean.
  const [row = []] = await database.rows(
    `SELECT sum(r) FILTER (WHERE y = 1), count(*) FILTER (WHERE y = 1), count(*) FILTER (WHERE y = 0)
     FROM (SELECT y, rank() OVER (ORDER BY x) + (count(*) OVER (PARTITION BY x) - 1) / 2.0 AS r FROM ${pairs} WHERE x IS NOT NULL)`,
  );
  const [ranks = 0, positives = 0, negatives = 0] = row.map(Number);
  if (positives === 0 || negatives === 0) return undefined;
  const auc = (ranks - (positives * (positives + 1)) / 2) / (positives * negatives);
  return Math.max(auc, 1 - auc);
}

/** A column's values as numbers that keep their order; NULL for text. */
function orderedValue({ sql, storage }: Source): string {
  const value = (type: 'number' | 'boolean' | 'timestamp') => typedValue(type, storage, sql).value;
  return `coalesce(CAST(${value('number')} AS DOUBLE), CAST(${value('boolean')} AS DOUBLE), ${value('timestamp')})`;
}

/**
 * Reads a data file whole: CSV, JSON Lines or Parquet.
 * @param hints names of columns that it is known to have, by which a CSV's separator is found
 * @param choose is given all names of columns, and answers those that are read
 * @throws UnusableFileError naming what is wrong with the file, and the fix
 */
export async function summariseFile(
  database: DuckdbDatabase,
  path: string,
  hints: readonly string[],
  choose: Choose,
) {
  const { sources, columnsInFile, brokenRows } = await loaded(database, path, hints, choose).catch(
    (error: unknown) => {
      if (!(error instanceof UnreadableDataError)) throw error;
      throw new UnusableFileError(`the file cannot be read (${error.message}); write it again`);
    },
  );
  const [counted] = await database.rows(`SELECT count(*) FROM ${table}`);
  const find = (name: string): Source => {
    const source = sources.find((each) => each.name === name);
    if (source) return source;
    throw new RangeError(`there is no column ${name}`);
  };
  return {
    names: sources.map(({ name }) => name),
    rows: Number(counted?.[0]),
    brokenRows,
    columnsInFile,

    async summaries(names: readonly string[]): Promise<TableSummary> {
      const columns: ColumnSummary[] = [];
      for (const name of names) columns.push(await summaryOf(database, find(name)));
      return { rows: Number(counted?.[0]), columns };
    },

    association: (column: string, label: string, task: Task) =>
      association(database, find(column), find(label), task),

    /**
     * Some rows as the file has them, evenly spread over it; null where there is no value.
     * @param by column of whose values each gets as many rows, as far as it has them
     */
    async sample(names: readonly string[], count: number, by?: string): Promise<SampleRow[]> {
      const shown = names.map((name) => {
        const { sql, storage } = find(name);
        return storage === 'json' ? `(${sql} ->> '$')` : `CAST(${sql} AS VARCHAR)`;
      });
      const part = by === undefined ? '' : `PARTITION BY ${find(by).sql}`;
      const share = by === undefined ? count : Math.ceil(count / 2);
      const rows = await database.rows(
        `SELECT ${shown.join(', ')} FROM (
           SELECT *, row_number() OVER (${part} ORDER BY n) AS place, count(*) OVER (${part}) AS among
           FROM (SELECT *, row_number() OVER () AS n FROM ${table}))
         WHERE place = 1 OR (place - 1) * ${share} // among > (place - 2) * ${share} // among
         ORDER BY n`,
      );
      return rows.map((row) => row.map((value) => (value === null ? null : String(value))));
    },

    /** Writes some columns of all rows as a file of its own. */
    async copyColumns(names: readonly string[], target: string): Promise<void> {
      const select = names.map((name) => {
        const { sql, storage } = find(name);
        return `${storage === 'json' ? `(${sql} ->> '$')` : sql} AS ${sqlName(name)}`;
      });
      const path = join(database.folder, 'selected.csv');
      await database.run(
        `COPY (SELECT ${select.join(', ')} FROM ${table}) TO ${sqlText(path)} (FORMAT csv, HEADER)`,
      );
      await copyFile(path, target);
    },
  };
}
export type SummarisedFile = Awaited<ReturnType<typeof summariseFile>>;
