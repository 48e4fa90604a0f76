import { largestNumber } from '../core/datasets/cell-rules.ts';
import { timestampPattern } from '../core/features/raw-values.ts';
import type { ColumnType } from '../core/model/data-section.ts';
import { sqlText } from './duckdb-database.ts';

/** How a file holds a value: as text, as JSON, or as a type of its own, by DuckDB's name of it. */
export type Storage = 'text' | 'json' | { readonly native: string };

/** SQL of a value's declared type, NULL where it is none or is not of the type; and whether it is none. */
export interface TypedValue {
  readonly value: string;
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

const safeInteger = (double: string): string =>
  `CASE WHEN abs(${double}) <= 9007199254740991 AND trunc(${double}) = ${double} THEN ${double} END`;
const finite = (double: string): string =>
  `CASE WHEN abs(${double}) <= ${largestNumber} THEN ${double} END`;

/** The same instants as timestampMicros of core/features gives, which says what they are. */
function timestampOfText(text: string): string {
  const time = (from: number) => `TRY_CAST(substr(${text}, ${from}, 2) AS BIGINT)`;
  const rest = `substr(${text}, 11)`;
  const hour = `coalesce(${time(12)}, 0)`;
  const minute = `coalesce(${time(15)}, 0)`;
  const second = `CASE WHEN substr(${text}, 17, 1) = ':' THEN ${time(18)} ELSE 0 END`;
  const fraction = `TRY_CAST(rpad(substr(regexp_extract(${rest}, '[.]([0-9]+)', 1), 1, 6), 6, '0') AS BIGINT)`;
  const zone = (group: number) =>
    `coalesce(TRY_CAST(regexp_extract(${rest}, '[+-]([0-9]{2}):?([0-9]{2})$', ${group}) AS BIGINT), 0)`;
  const sign = `CASE WHEN regexp_matches(${rest}, '-[0-9]{2}:?[0-9]{2}$') THEN -1 ELSE 1 END`;
  const days = `epoch_us(CAST(TRY_CAST(substr(${text}, 1, 10) AS DATE) AS TIMESTAMP))`;
  const minutes = `(${hour} * 60 + ${minute} - ${sign} * (${zone(1)} * 60 + ${zone(2)}))`;
  const micros = `CAST(${days} + (${minutes} * 60 + ${second}) * 1000000 + ${fraction} AS DOUBLE)`;
  return `CASE WHEN regexp_matches(${text}, ${sqlText(timestampPattern)})
    AND ${hour} <= 23 AND ${minute} <= 59 AND ${second} <= 59 AND ${zone(1)} <= 14 AND ${zone(2)} <= 59
    AND TRY_CAST(substr(${text}, 1, 10) AS DATE) BETWEEN DATE '1600-01-01' AND DATE '2400-01-01'
    THEN ${safeInteger(micros)} END`;
}

const matching = (text: string, pattern: string): string =>
  `CASE WHEN regexp_full_match(${text}, ${sqlText(pattern)}) THEN TRY_CAST(${text} AS DOUBLE) END`;

function ofText(type: ColumnType, x: string): string {
  const text = `trim(${x})`;
  switch (type) {
    case 'string':
      return x;
    case 'integer':
      return safeInteger(matching(text, '[+-]?[0-9]+([.]0*)?'));
    case 'number':
      return finite(matching(text, '[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?'));
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
      return safeInteger(double);
    case 'number':
      return finite(double);
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
  return `CASE WHEN isfinite(${x}) THEN ${safeInteger(`CAST(${micros} AS DOUBLE)`)} END`;
}

function ofNative(type: ColumnType, native: string, x: string): string {
  switch (type) {
    case 'string':
      return /^(VARCHAR|UUID|ENUM\(.*)$/.test(native) ? `CAST(${x} AS VARCHAR)` : none(type);
    case 'integer':
      return numeric.test(native) ? safeInteger(`CAST(${x} AS DOUBLE)`) : none(type);
    case 'number':
      return numeric.test(native) ? finite(`CAST(${x} AS DOUBLE)`) : none(type);
    case 'boolean':
      return native === 'BOOLEAN' ? x : none(type);
    case 'timestamp':
      return instantOfNative(native, x);
  }
}

/** @param x SQL of the value as the file holds it */
export function typedValue(type: ColumnType, storage: Storage, x: string): TypedValue {
  if (storage === 'text') {
    return { value: ofText(type, x), isNull: `${x} IS NULL`, shown: x };
  }
  if (storage === 'json') {
    return {
      value: ofJson(type, x),
      isNull: `(${x} IS NULL OR json_type(${x}) = 'NULL')`,
      shown: `(${x} ->> '$')`,
    };
  }
  return {
    value: ofNative(type, storage.native, x),
    isNull: `${x} IS NULL`,
    shown: `CAST(${x} AS VARCHAR)`,
  };
}
