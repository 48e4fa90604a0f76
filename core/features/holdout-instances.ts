import type { SignatureColumn } from '../inference/signature.ts';
import type { RawColumns, RawValue } from './raw-values.ts';

/** As many as a measurement sends, one after the other. */
export const mostHoldoutInstances = 200;

/** ISO 8601 of microseconds, UTC, to the microsecond where there is one. */
function instantText(micros: number): string {
  const milliseconds = Math.floor(micros / 1_000);
  const text = new Date(milliseconds).toISOString();
  const rest = micros - milliseconds * 1_000;
  return rest === 0 ? text : `${text.slice(0, -1)}${String(rest).padStart(3, '0')}Z`;
}

/** A raw value as callers of the endpoint send it: timestamps as ISO 8601 text. */
const sent = (value: RawValue, { type }: Pick<SignatureColumn, 'type'>): RawValue =>
  type === 'timestamp' && typeof value === 'number' ? instantText(value) : value;

/** Rows of a chunk, by their places in it, as instances of a request. */
export const instancesOf = (
  inputs: readonly SignatureColumn[],
  chunk: RawColumns,
  rows: readonly number[],
): Record<string, RawValue>[] =>
  rows.map((row) =>
    Object.fromEntries(
      inputs.map((input) => [input.name, sent(chunk[input.name]?.[row] ?? null, input)]),
    ),
  );
