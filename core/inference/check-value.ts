import { type RawValue, timestampMicros } from '../features/raw-values.ts';
import type { Column } from '../model/column.ts';

/** What is wrong with a value, with the fix; undefined where nothing is. */
export type ValueCheck = (value: unknown) => string | undefined;

const longestShown = 80;

/** A received value as a message shows it: short, on one line, never a walk through deep structures. */
export function shownValue(value: unknown): string {
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  if (typeof value === 'number' || typeof value === 'bigint') return String(value);
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > longestShown ? `${text.slice(0, longestShown - 1)}…` : text;
}

const checkType: Record<Column['type'], ValueCheck> = {
  string: (value) => (typeof value === 'string' ? undefined : 'send a string'),
  boolean: (value) => (typeof value === 'boolean' ? undefined : 'send true or false'),
  number: (value) =>
    typeof value === 'number' && Number.isFinite(value) ? undefined : 'send a finite number',
  integer: (value) =>
    Number.isSafeInteger(value) ? undefined : 'send an integer between -(2^53 - 1) and 2^53 - 1',
  timestamp: (value) =>
    typeof value === 'string' && timestampMicros(value) !== undefined
      ? undefined
      : 'send an ISO 8601 string between the years 1685 and 2254, as in 2026-05-31 or 2026-05-31T14:30:00Z',
};

function checkRules(column: Column, value: RawValue): string | undefined {
  if (typeof value === 'number') {
    if (column.minimum !== undefined && value < column.minimum) {
      return `must be at least ${column.minimum}`;
    }
    if (column.maximum !== undefined && value > column.maximum) {
      return `must be at most ${column.maximum}`;
    }
  }
  if (column.allowed && !column.allowed.includes(value as string | number)) {
    const shown = column.allowed.slice(0, 10).map(shownValue).join(', ');
    return `must be one of ${shown}${column.allowed.length > 10 ? ', …' : ''}`;
  }
  return undefined;
}

const told = (problem: string, column: Column, shown: string): string =>
  `${problem} (received ${column.sensitive ? 'a value that is not shown' : shown})`;

/** What is wrong with a value that is not of the column's type, as a file shows it. */
export const mistypedProblem = (column: Column, shown: string): string =>
  told(`${checkType[column.type](undefined)}`, column, shownValue(shown));

/** The check of one column's values; the value received is told unless the column is sensitive. */
export function valueCheck(column: Column): ValueCheck {
  return (value) => {
    if (value === null && column.nullable) return undefined;
    const problem =
      value === null
        ? `must not be null; ${checkType[column.type](value)}`
        : (checkType[column.type](value) ?? checkRules(column, value as RawValue));
    if (problem === undefined) return undefined;
    return told(problem, column, shownValue(value));
  };
}
