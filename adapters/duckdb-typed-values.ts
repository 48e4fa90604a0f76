import { largestNumber } from '../core/datasets/cell-rules.ts';
import { timestampPattern } from '../core/features/raw-values.ts';
import type { ColumnType } from '../core/model/column.ts';
import { sqlText } from './duckdb-database.ts';

/** How a file holds a value: as text, as JSON, or as a type of its own, by DuckDB's name of it. */
export type Storage = 'text' | 'json' | { readonly native: string };

/** SQL of a value's declared type, NULL where it is none or is not of the type; and whether it is none. */
export interface TypedValue {
  /** A value of the type, which is within its range where `isInRange` says so. */
  readonly value: string;
  /** SQL of a condition on the value's column, so that the value is computed once. */
  readonly isInRange: (column: string) => string;
  readonly isNull: string;
  readonly shown: string;
}

/** integer and number are DOUBLE, as in JavaScript; a timestamp is a DOUBLE of microseconds, UTC. */
export const sqlTypeOf: Record<ColumnType, string> = {
  string: 'VARCHAR',
  integer: 'DOUBLE',
  number: 'DOUBLE',
  boolean: 'BOOLEAN',
  timestamp: 'DOUBLE',
};

const isSafeInteger = (column: string): string =>
  `(abs(${column}) <= 9007199254740991 AND trunc(${column}) = ${column})`;

const isInRange: Record<ColumnType, (column: string) => string> = {
  string: () => 'true',
  integer: isSafeInteger,
  number: (column) => `abs(${column}) <= ${largestNumber}`,
  boolean: () => 'true',
  timestamp: isSafeInteger,
};

/** Most timestamps: a date, or a time to the second or finer, in UTC. DuckDB's own cast reads these. */
const plainTimestamp =
  '[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,6})?Z?)?';

/** The others: with a zone, which the cast ignores, without seconds, or finer than a microsecond. */
function unusualTimestamp(text: string): string {
  const number = (of: string) => `coalesce(TRY_CAST(${of} AS BIGINT), 0)`;
  const rest = `substr(${text}, 11)`;
  const hour = number(`substr(${text}, 12, 2)`);
  const minute = number(`substr(${text}, 15, 2)`);
  const second = `CASE WHEN substr(${text}, 17, 1) = ':' THEN ${number(`substr(${text}, 18, 2)`)} ELSE 0 END`;
  const digits = `substr(regexp_extract(${rest}, '[.]([0-9]+)', 1), 1, 6)`;
  const zone = (group: number) =>
    number(`regexp_extract(${rest}, '[+-]([0-9]{2}):?([0-9]{2})$', ${group})`);
  const sign = `CASE WHEN regexp_matches(${rest}, '-[0-9]{2}:?[0-9]{2}$') THEN -1 ELSE 1 END`;
  const date = `TRY_CAST(substr(${text}, 1, 10) AS DATE)`;
  const minutes = `(${hour} * 60 + ${minute} - ${sign} * (${zone(1)} * 60 + ${zone(2)}))`;
  const seconds = `(${minutes} * 60 + ${second})`;
  return `CASE WHEN regexp_matches(${text}, ${sqlText(timestampPattern)})
    AND ${hour} <= 23 AND ${minute} <= 59 AND ${second} <= 59 AND ${zone(1)} <= 14 AND ${zone(2)} <= 59
    AND ${date} BETWEEN DATE '1600-01-01' AND DATE '2400-01-01'
    THEN CAST(epoch_us(CAST(${date} AS TIMESTAMP)) + ${seconds} * 1000000 + ${number(`rpad(${digits}, 6, '0')`)} AS DOUBLE) END`;
}

/** The same instants as timestampMicros of core/features gives, which says what they are. */
const timestampOfText = (text: string): string =>
  `CASE WHEN regexp_full_match(${text}, ${sqlText(plainTimestamp)})
    THEN CAST(epoch_us(TRY_CAST(${text} AS TIMESTAMP)) AS DOUBLE)
    ELSE ${unusualTimestamp(text)} END`;

const matching = (text: string, pattern: string): string =>
  `CASE WHEN regexp_full_match(${text}, ${sqlText(pattern)}) THEN TRY_CAST(${text} AS DOUBLE) END`;

function ofText(type: ColumnType, x: string): string {
  const text = `trim(${x})`;
  switch (type) {
    case 'string':
      return x;
    case 'integer':
      return matching(text, '[+-]?[0-9]+([.]0*)?');
    case 'number':
      return matching(text, '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?');
    case 'boolean':
      return `CASE WHEN lower(${text}) IN ('true', '1') THEN true WHEN lower(${text}) IN ('false', '0') THEN false END`;
    case 'timestamp':
      return timestampOfText(text);
  }
}

function ofJson(type: ColumnType, x: string): string {
  const is = (...types: string[]) => `json_type(${x}) IN (${types.map(sqlText).join(', ')})`;
  const text = `(${x} ->> '$')`;
  const double = `CASE WHEN ${is('UBIGINT', 'BIGINT', 'HUGEINT', 'DOUBLE')} THEN TRY_CAST(${text} AS DOUBLE) END`;
  switch (type) {
    case 'string':
      return `CASE WHEN ${is('VARCHAR')} THEN ${text} END`;
    case 'integer':
    case 'number':
      return double;
    case 'boolean':
      return `CASE WHEN ${is('BOOLEAN')} THEN TRY_CAST(${text} AS BOOLEAN) END`;
    case 'timestamp':
      return `CASE WHEN ${is('VARCHAR')} THEN ${timestampOfText(text)} END`;
  }
}

const numeric = /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\(.*\))$/;
const none = (type: ColumnType): string => `CAST(NULL AS ${sqlTypeOf[type]})`;

function instantOfNative(native: string, x: string): string {
  if (native === 'VARCHAR') return timestampOfText(x);
  const micros =
    native === 'TIMESTAMP WITH TIME ZONE'
      ? `epoch_us(${x})`
      : `epoch_us(TRY_CAST(${x} AS TIMESTAMP))`;
  if (!/^(DATE|TIMESTAMP.*)$/.test(native)) return none('timestamp');
  return `CASE WHEN isfinite(${x}) THEN CAST(${micros} AS DOUBLE) END`;
}

function ofNative(type: ColumnType, native: string, x: string): string {
  switch (type) {
    case 'string':
      return /^(VARCHAR|UUID|ENUM\(.*)$/.test(native) ? `CAST(${x} AS VARCHAR)` : none(type);
    case 'integer':
    case 'number':
      return numeric.test(native) ? `CAST(${x} AS DOUBLE)` : none(type);
    case 'boolean':
      return native === 'BOOLEAN' ? x : none(type);
    case 'timestamp':
      return instantOfNative(native, x);
  }
}

/** @param x SQL of the value as the file holds it */
export function typedValue(type: ColumnType, storage: Storage, x: string): TypedValue {
  const range = isInRange[type];
  if (storage === 'text') {
    return { value: ofText(type, x), isInRange: range, isNull: `${x} IS NULL`, shown: x };
  }
  if (storage === 'json') {
    const isNull = `(${x} IS NULL OR json_type(${x}) = 'NULL')`;
    return { value: ofJson(type, x), isInRange: range, isNull, shown: `(${x} ->> '$')` };
  }
  const value = ofNative(type, storage.native, x);
  return { value, isInRange: range, isNull: `${x} IS NULL`, shown: `CAST(${x} AS VARCHAR)` };
}
