import type { RawColumns } from '../features/raw-values.ts';

/** Rows of one request, kept within Lambda's reply size and one put of the prediction log. */
export const maximumInstances = 1_000;
/** Enough to see a pattern; a request with one mistake in every row need not be told each. */
export const maximumProblems = 100;

/** The rows of a request by column: each column has one value per row, null where it was left out. */
export interface Instances {
  readonly rows: number;
  readonly columns: RawColumns;
  /** The features of all rows, where the request has them as the model takes them. */
  readonly features?: Float32Array | undefined;
  /**
   * The signature's inputs as numbers, row-major, NaN = missing, where the request has them so; `columns` are
   * then made of it when somebody asks for them.
   */
  readonly matrix?: Float32Array | Float64Array | undefined;
  /** Beside a matrix, the columns that came along. */
  readonly beside?: RawColumns | undefined;
  /** What the request calls a value, for a message. @default `instances[<row>].<column>` */
  readonly place?: (row: number, column: string) => string;
}
