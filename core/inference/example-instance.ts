import type { Signature, SignatureColumn } from './signature.ts';

export type ExampleValue = string | number | boolean;

/** Any value that the column's rules allow. */
export function allowedValue(column: SignatureColumn, now: Date): ExampleValue {
  const [allowed] = column.allowed ?? [];
  if (allowed !== undefined) return allowed;
  const { minimum = 0, maximum = minimum + 1_000 } = column;
  switch (column.type) {
    case 'boolean':
      return true;
    case 'timestamp':
      return `${now.toISOString().slice(0, 19)}Z`;
    case 'string':
      return 'example';
    default:
      return Math.round((minimum + maximum) / 2);
  }
}

/** An instance that keeps every rule of a signature, with made-up values. */
export const exampleInstance = ({ inputs }: Signature, now: Date): Record<string, ExampleValue> =>
  Object.fromEntries(inputs.map((column) => [column.name, allowedValue(column, now)]));
