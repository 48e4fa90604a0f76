// The tensors of the Open Inference Protocol (V2), as a request has them.
import { shownValue } from '../check-value.ts';
import { InvalidRequestError } from '../invalid-request-error.ts';

interface NumberType {
  readonly bytes: 1 | 2 | 4 | 8;
  readonly minimum: number;
  readonly maximum: number;
  readonly integer: boolean;
}

const integers = (bytes: NumberType['bytes'], signed: boolean): NumberType => {
  const bits = bytes * 8 - (signed ? 1 : 0);
  // What a double cannot tell from its neighbour is no number that somebody sent.
  const maximum = Math.min(2 ** bits - 1, Number.MAX_SAFE_INTEGER);
  const minimum = signed ? Math.max(-(2 ** bits), Number.MIN_SAFE_INTEGER) : 0;
  return { bytes, minimum, maximum, integer: true };
};
const floats = (bytes: NumberType['bytes'], maximum: number): NumberType => ({
  bytes,
  minimum: -maximum,
  maximum,
  integer: false,
});

export const numberTypes = {
  INT8: integers(1, true),
  INT16: integers(2, true),
  INT32: integers(4, true),
  INT64: integers(8, true),
  UINT8: integers(1, false),
  UINT16: integers(2, false),
  UINT32: integers(4, false),
  UINT64: integers(8, false),
  FP16: floats(2, 65_504),
  FP32: floats(4, 3.4028234663852886e38),
  FP64: floats(8, Number.MAX_VALUE),
} as const;

export type NumberDatatype = keyof typeof numberTypes;
export type Datatype = NumberDatatype | 'BOOL' | 'BYTES';

export const datatypes = [...Object.keys(numberTypes), 'BOOL', 'BYTES'] as readonly Datatype[];

export const isNumberDatatype = (datatype: string): datatype is NumberDatatype =>
  Object.hasOwn(numberTypes, datatype);

/** JSON's values, flat or nested; or, of a binary request, numbers and texts of their type. */
export type TensorData =
  | { readonly form: 'json'; readonly values: readonly unknown[] }
  | { readonly form: 'numbers'; readonly values: ArrayLike<number> }
  | { readonly form: 'integers'; readonly values: BigInt64Array | BigUint64Array }
  | { readonly form: 'booleans'; readonly values: Uint8Array }
  | { readonly form: 'texts'; readonly values: readonly string[] };

export interface Tensor {
  readonly name: string;
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: TensorData;
}

/** How a message calls a tensor. */
export const tensorCalled = (name: string): string => `tensor ${JSON.stringify(name.slice(0, 80))}`;

/** A column of a tensor's rows in JSON: flat, whatever its nesting. */
export function flatValues({ name, shape, data }: Tensor): ArrayLike<unknown> {
  const values = data.values as ArrayLike<unknown>;
  const [rows = 0, width = 1] = shape;
  if (data.form !== 'json' || shape.length < 2) return values;
  // Nested is what has arrays in it; of [N, 1] both are as long.
  if (!Array.isArray(values[0])) return values;
  const flat: unknown[] = [];
  for (let row = 0; row < rows; row += 1) {
    const inner = values[row];
    if (!Array.isArray(inner) || inner.length !== width) {
      throw new InvalidRequestError([
        `${tensorCalled(name)}[${row}]: send an array of ${width} (received ${shownValue(inner)})`,
      ]);
    }
    for (const value of inner) flat.push(value);
  }
  return flat;
}

const elements = (shape: readonly number[]): number =>
  shape.reduce((product, length) => product * length, 1);

/**
 * Checks that a tensor has as many values as its shape says.
 * @throws InvalidRequestError
 */
export function checkLength({ name, shape, data }: Tensor): void {
  const { length } = data.values;
  const isNested = data.form === 'json' && shape.length > 1 && Array.isArray(data.values[0]);
  const wanted = isNested ? (shape[0] ?? 0) : elements(shape);
  if (length === wanted) return;
  const what = isNested ? 'arrays' : 'values';
  throw new InvalidRequestError([
    `${tensorCalled(name)}: its shape [${shape.join(', ')}] has ${wanted} ${what}; send as many (received ${length})`,
  ]);
}
