import type { SignatureColumn } from '../inference/signature.ts';
import type { RawColumns, RawValue } from './raw-values.ts';

/** As many as a measurement sends, one after the other. */
export const mostHoldoutInstances = 200;

/** A raw value as callers of the endpoint send it: timestamps as ISO 8601 text. */
const sent = (value: RawValue, { type }: Pick<SignatureColumn, 'type'>): RawValue =>
  type === 'timestamp' && typeof value === 'number'
    ? new Date(Math.floor(value / 1_000)).toISOString()
    : value;

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
