import type { Signature, SignatureColumn } from './signature.ts';

export type ExampleValue = string | number | boolean;

const usual = 1_000;

/** A number between the bounds, a whole one where there is one near their middle. */
function numberWithin({ minimum, maximum }: SignatureColumn): number {
  const least = minimum ?? Math.min(0, (maximum ?? usual) - usual);
  const most = maximum ?? Math.max(usual, least + usual);
  const middle = least + (most - least) / 2;
  const whole = [Math.round(middle), Math.floor(middle), Math.ceil(middle)];
  return whole.find((value) => value >= least && value <= most) ?? middle;
}

/** Any value that the column's rules allow. */
export function allowedValue(column: SignatureColumn, now: Date): ExampleValue {
  const [allowed] = column.allowed ?? [];
  if (allowed !== undefined) return allowed;
  switch (column.type) {
    case 'boolean':
      return true;
    case 'timestamp':
      return `${now.toISOString().slice(0, 19)}Z`;
    case 'string':
      return 'example';
    default:
      return numberWithin(column);
  }
}

/** An instance that keeps every rule of a signature, with made-up values. */
export const exampleInstance = (
  { inputs }: Pick<Signature, 'inputs'>,
  now: Date,
): Record<string, ExampleValue> =>
  Object.fromEntries(inputs.map((column) => [column.name, allowedValue(column, now)]));
