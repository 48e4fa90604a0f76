// A tensor's elements as raw values of a column, or as the numbers of a matrix.
import type { RawValue } from '../../features/raw-values.ts';
import { shownValue, type ValueCheck } from '../check-value.ts';
import { maximumProblems } from '../instances.ts';
import { InvalidRequestError } from '../invalid-request-error.ts';
import type { SignatureColumn } from '../signature.ts';
import type { MatrixColumns, NumberMatrix } from './number-matrix.ts';
import {
  checkLength,
  type Datatype,
  flatValues,
  isNumberDatatype,
  type NumberDatatype,
  numberTypes,
  type Tensor,
  tensorCalled,
} from './tensor.ts';

/** The datatype that a column's tensor has in the model's metadata. */
export const columnDatatypes: Record<SignatureColumn['type'], Datatype> = {
  number: 'FP64',
  integer: 'INT64',
  boolean: 'BOOL',
  string: 'BYTES',
  timestamp: 'BYTES',
};

const received = (value: unknown, sensitive: boolean | undefined): string =>
  `(received ${sensitive ? 'a value that is not shown' : shownValue(value)})`;

/** A number as its datatype has it; undefined where it has none. */
function numberOf(datatype: NumberDatatype, value: unknown): number | undefined {
  if (typeof value !== 'number') return undefined;
  const { minimum, maximum, integer } = numberTypes[datatype];
  if (!(value >= minimum && value <= maximum) || (integer && !Number.isInteger(value))) {
    return undefined;
  }
  return datatype === 'FP32' ? Math.fround(value) : value;
}

type ElementReader = (value: unknown) => RawValue | undefined;

function jsonReader(datatype: Datatype): ElementReader {
  if (isNumberDatatype(datatype)) {
    return (value) => (value === null ? null : numberOf(datatype, value));
  }
  if (datatype === 'BOOL') {
    return (value) => (value === null || typeof value === 'boolean' ? value : undefined);
  }
  return (value) => (value === null || typeof value === 'string' ? value : undefined);
}

/** Makes raw values of a tensor's elements; undefined where one is not of its datatype. */
function elementReader({ datatype, data }: Tensor): ElementReader {
  switch (data.form) {
    case 'json':
      return jsonReader(datatype);
    case 'numbers':
      return (value) => (Number.isNaN(value) ? null : (value as number));
    case 'integers':
      return (value) => {
        const number = Number(value);
        return Number.isSafeInteger(number) ? number : undefined;
      };
    case 'booleans':
      return (value) => (value === 0 || value === 1 ? value === 1 : undefined);
    case 'texts':
      return (value) => value as string;
  }
}

const fits = ({ type }: SignatureColumn, datatype: Datatype): boolean =>
  type === 'number' || type === 'integer'
    ? isNumberDatatype(datatype)
    : datatype === columnDatatypes[type];

/**
 * The values of a column's tensor, validated; what is wrong with them is added to the problems.
 * @throws InvalidRequestError where it is no tensor for this column.
 */
export function columnValues(
  tensor: Tensor,
  { column, check }: { readonly column: SignatureColumn; readonly check: ValueCheck },
  problems: string[],
): RawValue[] {
  const { name, datatype } = tensor;
  if (!fits(column, datatype)) {
    throw new InvalidRequestError([
      `${tensorCalled(name)}: send the datatype ${columnDatatypes[column.type]} (received ${datatype})`,
    ]);
  }
  checkLength(tensor);
  const elements = flatValues(tensor);
  const read = elementReader(tensor);
  const values = new Array<RawValue>(elements.length);
  for (let row = 0; row < elements.length && problems.length < maximumProblems; row += 1) {
    const value = read(elements[row]);
    const problem =
      value === undefined
        ? `is no ${datatype}; send one ${received(elements[row], column.sensitive)}`
        : check(value);
    if (problem !== undefined) problems.push(`${tensorCalled(name)}[${row}]: ${problem}`);
    values[row] = value ?? null;
  }
  return values;
}

/** What is not simply a number in the range of its datatype: NaN for null, undefined for what is none. */
function rareValue(datatype: NumberDatatype, value: unknown): number | undefined {
  if (value === null || (typeof value === 'number' && Number.isNaN(value))) return Number.NaN;
  return typeof value === 'bigint' ? numberOf(datatype, Number(value)) : undefined;
}

/** Copies numbers; where one is none of its datatype, that is told. @returns the place of it, or -1 */
function copyNumbers(
  elements: ArrayLike<unknown>,
  matrix: NumberMatrix,
  datatype: NumberDatatype,
): number {
  const { minimum, maximum, integer } = numberTypes[datatype];
  for (let at = 0; at < elements.length; at += 1) {
    const element = elements[at];
    const isUsual =
      typeof element === 'number' &&
      element >= minimum &&
      element <= maximum &&
      (!integer || Number.isInteger(element));
    const value = isUsual ? element : rareValue(datatype, element);
    if (value === undefined) return at;
    matrix[at] = value;
  }
  return -1;
}

/**
 * The numbers of a tensor that has all columns, in 32 bits where those are what was sent.
 * @throws InvalidRequestError
 */
export function matrixValues(tensor: Tensor, { sensitive, names }: MatrixColumns): NumberMatrix {
  const { name, datatype } = tensor;
  if (!isNumberDatatype(datatype)) {
    throw new InvalidRequestError([
      `${tensorCalled(name)}: send the datatype FP32 or FP64 (received ${datatype})`,
    ]);
  }
  checkLength(tensor);
  const elements = flatValues(tensor);
  if (elements instanceof Float32Array || elements instanceof Float64Array) return elements;
  const isNarrow = datatype === 'FP32' || datatype === 'FP16';
  const matrix = isNarrow ? new Float32Array(elements.length) : new Float64Array(elements.length);
  const wrong = copyNumbers(elements, matrix, datatype);
  if (wrong === -1) return matrix;
  const column = wrong % names.length;
  const place = `[${(wrong - column) / names.length}, ${column}] (${names[column]})`;
  throw new InvalidRequestError([
    `${tensorCalled(name)}${place}: is no ${datatype}; send one ${received(elements[wrong], sensitive[column])}`,
  ]);
}
