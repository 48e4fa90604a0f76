import type { DuckDBDataChunk } from '@duckdb/node-api';
import { computeFeatures } from '../core/features/compute-features.ts';
import { type FeatureSpec, inputColumns } from '../core/features/feature-spec.ts';
import type { ColumnValues, RawColumns, RawValue } from '../core/features/raw-values.ts';
import type { ModelInput } from '../core/inference/versions/loaded-version.ts';
import { type DuckdbDatabase, sqlText } from './duckdb-database.ts';
import { type Columns, valueColumn } from './duckdb-typed-tables.ts';
import { doubles, unsigned } from './duckdb-vectors.ts';

/** How a column of a typed table gets to what computes with it. */
interface ColumnReader {
  readonly sql: string;
  read(chunk: DuckDBDataChunk, at: number): ColumnValues;
}

/** NaN = missing. */
const asNumbers = (value: string): ColumnReader => ({
  sql: `coalesce(CAST(${value} AS DOUBLE), CAST('NaN' AS DOUBLE))`,
  read: doubles,
});

const asValues = (value: string): ColumnReader => ({
  sql: value,
  read: (chunk, at) => chunk.getColumnValues(at) as readonly RawValue[],
});

const asCodes = (sql: string, values: readonly RawValue[]): ColumnReader => ({
  sql: `CAST(${sql} AS UINTEGER)`,
  read: (chunk, at) => ({ codes: unsigned(chunk, at), values }),
});

const booleans = (value: string): ColumnReader =>
  asCodes(`CASE WHEN ${value} IS NULL THEN 2 WHEN ${value} THEN 1 ELSE 0 END`, [false, true, null]);

/** A text that is none of the words: all such are the same to every feature. */
function otherThan(words: readonly string[]): string {
  let other = 'other';
  while (words.includes(other)) other += '_';
  return other;
}

/** Strings as the places of their values in all vocabularies that they are looked up in. */
async function codedStrings(
  database: DuckdbDatabase,
  value: string,
  words: readonly string[],
  type: string,
): Promise<ColumnReader> {
  const { length } = words;
  const values = [...words, otherThan(words), null];
  const isMissing = `CASE WHEN ${value} IS NULL THEN ${length + 1} ELSE`;
  if (length === 0) return asCodes(`${isMissing} 0 END`, values);
  await database.run(`CREATE TYPE ${type} AS ENUM (${words.map(sqlText).join(', ')})`);
  const code = `coalesce(CAST(enum_code(TRY_CAST(${value} AS ${type})) AS UINTEGER), ${length})`;
  return asCodes(`${isMissing} ${code} END`, values);
}

const wordsOf = (spec: FeatureSpec, column: string): string[] => [
  ...new Set(
    spec.features
      .filter((feature) => feature.column === column)
      .flatMap(({ vocabulary = [] }) => vocabulary)
      .filter((word) => typeof word === 'string'),
  ),
];

/**
 * Reads what a model computes with out of a typed table: numbers as they lie in memory and strings as codes,
 * where features are made of them; all values, where the graph takes the columns themselves.
 */
export async function rowReader(database: DuckdbDatabase, spec: FeatureSpec, columns: Columns) {
  const names = inputColumns(spec);
  const readers: ColumnReader[] = [];
  for (const [i, name] of names.entries()) {
    const value = valueColumn(name);
    const type = columns[name]?.type;
    if (spec.input === 'columns') readers.push(asValues(value));
    else if (type === 'boolean') readers.push(booleans(value));
    else if (type === 'string') {
      readers.push(await codedStrings(database, value, wordsOf(spec, name), `words_${i}`));
    } else readers.push(asNumbers(value));
  }
  return {
    select: readers.map(({ sql }, i) => `${sql} AS i${i}`),
    /** Of rows whose columns come after the chunk's first one, in the order selected. */
    input(chunk: DuckDBDataChunk): ModelInput {
      const rows = chunk.rowCount;
      const read = names.map((name, i) => [name, readers[i]?.read(chunk, i + 1) ?? []] as const);
      if (spec.input === 'columns') {
        return { kind: 'columns', rows, columns: Object.fromEntries(read) as RawColumns };
      }
      const columns = Object.fromEntries(read);
      return { kind: 'features', rows, features: computeFeatures(spec, { rows, columns }) };
    },
  };
}
