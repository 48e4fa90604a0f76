import { open, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import type { Finding } from '../core/datasets/validation-report.ts';
import {
  type DuckdbDatabase,
  jsonPointer,
  sqlName,
  sqlText,
  UnreadableDataError,
} from './duckdb-database.ts';
import type { Storage } from './duckdb-typed-values.ts';
import { copyAsPlainText, NotTextError } from './plain-text.ts';

/** A file's rows as DuckDB can read them: SQL of a relation, and how it holds each of its columns. */
export interface RawTable {
  readonly relation: string;
  /** SQL of a column's value in the relation. */
  readonly columns: ReadonlyMap<string, { readonly sql: string; readonly storage: Storage }>;
  /** Columns that a file does not have to have, because its rows name their own. */
  readonly columnsAreOptional: boolean;
  /** SQL of a row that is none: it counts, but has no values. */
  readonly isBroken?: string;
  /** Names of a file's columns in their order, if they are in one. */
  readonly header: readonly string[];
}

/** What a file is, or why it cannot be read. */
export type RawFile = RawTable | { readonly unreadable: Finding };

const form = /\.(?:(csv|jsonl|ndjson)(\.gz)?|(parquet))$/i;

const unreadable = (rule: Finding['rule'], message: string) => ({
  unreadable: { rule, count: 1, message, examples: [] },
});

const headerLimit = 1024 * 1024;

/** The first line of a plain text file that has something on it. */
async function firstLine(path: string): Promise<string> {
  const file = await open(path);
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(headerLimit), 0, headerLimit, 0);
    const text = buffer.toString('utf8', 0, bytesRead);
    return /[^\n]+/.exec(text)?.[0] ?? '';
  } finally {
    await file.close();
  }
}

/** The fields of one CSV line. */
function fieldsOf(line: string, delimiter: string): string[] {
  const fields: string[] = [];
  let field = '';
  let quoted = false;
  for (let at = 0; at < line.length; at += 1) {
    const character = line[at] ?? '';
    if (character === '"' && quoted && line[at + 1] === '"') {
      field += '"';
      at += 1;
    } else if (character === '"') quoted = !quoted;
    else if (character === delimiter && !quoted) {
      fields.push(field);
      field = '';
    } else field += character;
  }
  return [...fields, field];
}

/** A comma, unless the header names more of the declared columns with something else between them. */
function delimiterOf(line: string, declared: readonly string[]): string {
  const known = new Set(declared);
  const named = (delimiter: string) =>
    fieldsOf(line, delimiter).filter((field) => known.has(field.trim())).length;
  return [';', '\t', '|'].reduce((best, next) => (named(next) > named(best) ? next : best), ',');
}

async function csv(path: string, declared: readonly string[]): Promise<RawFile> {
  const line = await firstLine(path);
  const delimiter = delimiterOf(line, declared);
  const header = fieldsOf(line, delimiter).map((name) => name.trim());
  const fields = header.map((_, i) => `c${i}`);
  const types = fields.map((field) => `'${field}': 'VARCHAR'`).join(', ');
  const relation = `read_csv(${sqlText(path)}, columns = {${types}}, delim = ${sqlText(delimiter)},
    quote = '"', escape = '"', header = true, auto_detect = false, nullstr = '', strict_mode = true,
    store_rejects = true, rejects_table = 'rejected', rejects_scan = 'rejected_scans')`;
  const columns = header.map(
    (name, i) => [name, { sql: fields[i] ?? '', storage: 'text' as const }] as const,
  );
  return { relation, columns: new Map(columns), columnsAreOptional: false, header };
}

/** Lines are read as text of one column, because JSON has no control characters to part it by. */
function jsonLines(path: string, declared: readonly string[]): RawTable {
  const paths = declared.map((name) => sqlText(jsonPointer([name]))).join(', ');
  const fields = declared.length > 0 ? `json_extract(line, [${paths}])` : 'NULL';
  const lines = `read_csv(${sqlText(path)}, columns = {'line': 'VARCHAR'}, delim = chr(1), quote = '',
    escape = '', header = false, auto_detect = false, max_line_size = 16777216)`;
  const isObject = `(json_valid(line) AND json_type(CASE WHEN json_valid(line) THEN line END) = 'OBJECT')`;
  const relation = `(SELECT n AS line_number, line, is_object,
      CASE WHEN is_object THEN ${fields} END AS fields
    FROM (SELECT n, line, coalesce(${isObject}, false) AS is_object
      FROM (SELECT row_number() OVER () AS n, line FROM ${lines})
      WHERE trim(line) <> ''))`;
  const columns = declared.map(
    (name, i) => [name, { sql: `fields[${i + 1}]`, storage: 'json' as const }] as const,
  );
  return {
    relation,
    columns: new Map(columns),
    columnsAreOptional: true,
    isBroken: 'NOT is_object',
    header: [],
  };
}

async function parquet(database: DuckdbDatabase, path: string): Promise<RawFile> {
  const relation = `read_parquet(${sqlText(path)})`;
  const described = await database.rows(`DESCRIBE SELECT * FROM ${relation}`);
  const columns = described.map(([name, type]) => {
    const text = String(name);
    return [text, { sql: sqlName(text), storage: { native: String(type) } }] as const;
  });
  const header = columns.map(([name]) => name);
  return { relation, columns: new Map(columns), columnsAreOptional: false, header };
}

/**
 * Finds out what a downloaded file is. Text is brought into one form beside it first: uncompressed,
 * UTF-8, \n line ends.
 * @param name the file's own name, which says its form: .csv, .jsonl, .ndjson, each also .gz, or .parquet
 */
export async function readRawFile(
  database: DuckdbDatabase,
  file: { readonly path: string; readonly name: string },
  declared: readonly string[],
): Promise<RawFile> {
  const parts = form.exec(file.name);
  if (!parts) {
    return unreadable(
      'file_name',
      `${basename(file.name)} has a name of no known form; use .csv, .jsonl or .ndjson, each also with .gz, or .parquet`,
    );
  }
  if ((await stat(file.path)).size === 0) {
    return unreadable('file_content', 'the file is empty; drop it again with its rows');
  }
  try {
    if (parts[3]) return await parquet(database, file.path);
    const plain = join(database.folder, `${basename(file.path)}.txt`);
    await copyAsPlainText(file.path, plain, parts[2] ? 'gzip' : 'none');
    if ((await firstLine(plain)).trim() === '') {
      return unreadable('file_content', 'the file has no rows; drop it again with its rows');
    }
    return parts[1]?.toLowerCase() === 'csv'
      ? await csv(plain, declared)
      : jsonLines(plain, declared);
  } catch (error) {
    if (error instanceof NotTextError) return unreadable('file_content', error.message);
    if (error instanceof UnreadableDataError) {
      return unreadable(
        'file_content',
        `the file cannot be read (${error.message}); write it again and drop it`,
      );
    }
    throw error;
  }
}
