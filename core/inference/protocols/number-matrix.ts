// Rows of numbers alone, as NumPy has them: validated and made features without an object a row.
import type { FeatureSpec } from '../../features/feature-spec.ts';
import type { RawColumns, RawValue } from '../../features/raw-values.ts';
import { type ValueCheck, valueCheck } from '../check-value.ts';
import type { Instances } from '../instances.ts';
import type { Signature } from '../signature.ts';

/** Row-major; NaN = missing. */
export type NumberMatrix = Float32Array | Float64Array;

/** Of which column each feature is a copy; undefined where one is computed. */
function copiedColumns(spec: FeatureSpec, signature: Signature): readonly number[] | undefined {
  if (spec.input !== 'features') return undefined;
  const places = spec.features.map(({ transform, column }) =>
    transform === 'numeric' ? signature.inputs.findIndex(({ name }) => name === column) : -1,
  );
  return places.includes(-1) ? undefined : places;
}

export interface MatrixColumns {
  readonly names: readonly string[];
  /** What passes without a further look; a column that has more rules has no such values. */
  readonly minimum: Float64Array;
  readonly maximum: Float64Array;
  readonly isInteger: readonly boolean[];
  readonly checks: readonly ValueCheck[];
  readonly sensitive: readonly boolean[];
  /** Of which column each feature is a copy. */
  readonly copied: readonly number[] | undefined;
  /** Each feature is the column at its place. */
  readonly isIdentity: boolean;
}

/** What a model's matrix has to keep; undefined where not all of its inputs are numbers. */
export function matrixColumns(signature: Signature, spec: FeatureSpec): MatrixColumns | undefined {
  const { inputs } = signature;
  if (!inputs.every(({ type }) => type === 'number' || type === 'integer')) return undefined;
  const widest = inputs.map(({ type }) =>
    type === 'integer' ? Number.MAX_SAFE_INTEGER : Number.MAX_VALUE,
  );
  const copied = copiedColumns(spec, signature);
  return {
    names: inputs.map(({ name }) => name),
    minimum: Float64Array.from(inputs, ({ allowed, minimum }, i) =>
      allowed ? Infinity : Math.max(minimum ?? -Infinity, -(widest[i] ?? 0)),
    ),
    maximum: Float64Array.from(inputs, ({ maximum }, i) =>
      Math.min(maximum ?? Infinity, widest[i] ?? 0),
    ),
    isInteger: inputs.map(({ type }) => type === 'integer'),
    checks: inputs.map(valueCheck),
    sensitive: inputs.map(({ sensitive }) => sensitive),
    copied,
    isIdentity: copied?.length === inputs.length && copied.every((place, i) => place === i),
  };
}

/** The next place from one on whose value does not pass at a first look. */
function doubtfulFrom(
  { minimum, maximum, isInteger, names }: MatrixColumns,
  matrix: NumberMatrix,
  from: number,
): number {
  const width = names.length;
  let column = from % width;
  for (let at = from; at < matrix.length; at += 1) {
    const value = matrix[at] as number;
    const isFine =
      value >= (minimum[column] as number) &&
      value <= (maximum[column] as number) &&
      (!isInteger[column] || Number.isInteger(value));
    if (!isFine) return at;
    column = column + 1 === width ? 0 : column + 1;
  }
  return matrix.length;
}

/** Tells of each value that is none of its column, up to a limit. */
export function matrixProblems(
  columns: MatrixColumns,
  matrix: NumberMatrix,
  place: (row: number, column: string) => string,
  most: number,
): string[] {
  const problems: string[] = [];
  const { checks, names } = columns;
  let at = doubtfulFrom(columns, matrix, 0);
  while (at < matrix.length && problems.length < most) {
    const value = matrix[at] as number;
    const column = at % names.length;
    const problem = checks[column]?.(Number.isNaN(value) ? null : value);
    if (problem !== undefined) {
      problems.push(`${place((at - column) / names.length, names[column] ?? '')}: ${problem}`);
    }
    at = doubtfulFrom(columns, matrix, at + 1);
  }
  return problems;
}

function columnsOf(names: readonly string[], matrix: NumberMatrix): Record<string, RawValue[]> {
  const width = names.length;
  const rows = matrix.length / width;
  const columns: Record<string, RawValue[]> = Object.create(null);
  for (const [index, name] of names.entries()) {
    const values = new Array<RawValue>(rows);
    for (let row = 0; row < rows; row += 1) {
      const value = matrix[row * width + index] as number;
      values[row] = Number.isNaN(value) ? null : value;
    }
    columns[name] = values;
  }
  return columns;
}

/** The model's features, where each is one of the matrix's columns as it is. */
function copiedFeatures(
  { copied, isIdentity, names }: MatrixColumns,
  matrix: NumberMatrix,
): Float32Array | undefined {
  if (!copied) return undefined;
  if (isIdentity) return matrix instanceof Float32Array ? matrix : new Float32Array(matrix);
  const [from, to] = [names.length, copied.length];
  const rows = matrix.length / from;
  const features = new Float32Array(rows * to);
  for (let row = 0; row < rows; row += 1) {
    for (let feature = 0; feature < to; feature += 1) {
      features[row * to + feature] = matrix[row * from + (copied[feature] as number)] as number;
    }
  }
  return features;
}

/** Rows of a matrix that was found to be right; columns are made of it where somebody asks for them. */
export class MatrixInstances implements Instances {
  readonly rows: number;
  readonly features: Float32Array | undefined;
  readonly matrix: NumberMatrix;
  readonly beside: RawColumns | undefined;
  readonly place: (row: number, column: string) => string;
  readonly #names: readonly string[];
  readonly #completed: (columns: RawColumns, rows: number) => RawColumns;
  #columns: RawColumns | undefined;

  constructor(
    columns: MatrixColumns,
    matrix: NumberMatrix,
    more: {
      readonly beside: RawColumns | undefined;
      /** Adds the columns that may come along and did not. */
      readonly completed: (columns: RawColumns, rows: number) => RawColumns;
      readonly place: (row: number, column: string) => string;
    },
  ) {
    this.rows = matrix.length / columns.names.length;
    this.features = copiedFeatures(columns, matrix);
    this.matrix = matrix;
    this.beside = more.beside;
    this.place = more.place;
    this.#names = columns.names;
    this.#completed = more.completed;
  }

  get columns(): RawColumns {
    this.#columns ??= this.#completed(
      { ...this.beside, ...columnsOf(this.#names, this.matrix) },
      this.rows,
    );
    return this.#columns;
  }
}
