/** A raw value of a request or of a file: a timestamp is ISO 8601 text or integer microseconds, UTC. */
export type RawValue = string | number | boolean | null;

/** Raw rows by column: every column has one value per row. */
export type RawColumns = Readonly<Record<string, readonly RawValue[]>>;

/** Few different values of many rows: for each row the place of its value among them. */
export interface CodedColumn {
  readonly codes: Uint32Array;
  readonly values: readonly RawValue[];
}

/**
 * A column as features are computed from it. Many rows come as numbers, of which NaN is a missing one (an
 * instant is microseconds), or as codes: what is computed of them has the same bits.
 */
export type ColumnValues = readonly RawValue[] | Float64Array | CodedColumn;

/** Raw rows by column, as many as can be computed with at once. */
export type ManyRows = Readonly<Record<string, ColumnValues>>;

/**
 * The timestamps that are understood, by the numbers of its groups: 1 year, 2 month, 3 day, 4 hour,
 * 5 minute, 6 second, 7 fraction, 8 zone. It means the same to RE2 as to JavaScript.
 */
export const timestampPattern =
  '^([0-9]{4})-([0-9]{2})-([0-9]{2})(?:[Tt ]([0-9]{2}):([0-9]{2})(?::([0-9]{2})(?:[.]([0-9]{1,9}))?)?(Z|z|[+-][0-9]{2}:?[0-9]{2})?)?$';

const timestamp = new RegExp(timestampPattern);

const daysOfMonth = (year: number, month: number): number => {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
};

/** Days since 1970-01-01 in the proleptic Gregorian calendar. */
function epochDays(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** Minutes east of UTC; undefined where there is no such zone. No zone is UTC. */
function zoneMinutes(zone: string): number | undefined {
  if (zone === '' || zone === 'Z' || zone === 'z') return 0;
  const hours = Number(zone.slice(1, 3));
  const minutes = Number(zone.slice(-2));
  if (hours > 14 || minutes > 59) return undefined;
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes);
}

/**
 * Microseconds since 1970-01-01T00:00:00Z of an ISO 8601 date or date and time. Without a zone it is
 * UTC; what is finer than a microsecond is cut off. undefined where the text is no such instant, or one
 * further than 2^53 microseconds (285 years) from 1970.
 */
export function timestampMicros(text: string): number | undefined {
  const parts = timestamp.exec(text);
  if (!parts) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = parts
    .slice(1, 7)
    .map((part) => Number(part ?? 0));
  const zone = zoneMinutes(parts[8] ?? '');
  if (month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) return undefined;
  if (hour > 23 || minute > 59 || second > 59 || zone === undefined) return undefined;
  const fraction = Number((parts[7] ?? '').slice(0, 6).padEnd(6, '0'));
  const seconds = epochDays(year, month, day) * 86_400 + (hour * 60 + minute - zone) * 60 + second;
  const micros = seconds * 1_000_000 + fraction;
  return Number.isSafeInteger(micros) ? micros : undefined;
}
