import type { FeatureSpec, InputColumn } from '../core/features/feature-spec.ts';
import type { RawValue } from '../core/features/raw-values.ts';
import type { ModelInput } from '../core/inference/versions/loaded-version.ts';
import { type Chunk, type DuckdbDatabase, sqlName, sqlText } from './duckdb-database.ts';

/** A feature table has values that it must not have. */
export class FeatureTableError extends Error {
  override readonly name = 'FeatureTableError';
}

/** Consecutive rows of a table as a model takes them, with their labels. */
export interface InputBatch {
  readonly input: ModelInput;
  readonly labels: Float64Array;
}

const parquet = (paths: readonly string[]): string =>
  `read_parquet([${paths.map(sqlText).join(', ')}])`;

function labelOf(value: unknown): number {
  if (typeof value === 'number') return value;
  throw new FeatureTableError('a row of the features has no label; build the features again');
}

type Values = Chunk['columns'];

const features =
  (width: number) =>
  (columns: Values, rows: number): ModelInput => {
    const values = new Float32Array(rows * width);
    for (let column = 0; column < width; column++) {
      for (const [row, value] of (columns[column] ?? []).entries()) {
        values[row * width + column] = value === null ? Number.NaN : Number(value);
      }
    }
    return { kind: 'features', rows, features: values };
  };

/** A raw column's values as JavaScript has them: numbers in 64 bits, a timestamp in microseconds. */
function columnSql({ name, type }: InputColumn): string {
  if (type === 'timestamp') return `CAST(epoch_us(${sqlName(name)}) AS DOUBLE)`;
  return type === 'integer' ? `CAST(${sqlName(name)} AS DOUBLE)` : sqlName(name);
}

const rawColumns =
  (wanted: readonly InputColumn[]) =>
  (columns: Values, rows: number): ModelInput => {
    const raw = wanted.map(({ name }, i) => [name, (columns[i] ?? []) as readonly RawValue[]]);
    return { kind: 'columns', rows, columns: Object.fromEntries(raw) };
  };

/**
 * The rows of Parquet files in the database's folder, which have one FLOAT column per feature, or one
 * column of its own type per raw column, and `__label`: about 2,000 at a time, in the files' order.
 * @throws FeatureTableError where a row has no label.
 */
export async function* inputBatches(
  database: DuckdbDatabase,
  paths: readonly string[],
  spec: Pick<FeatureSpec, 'columns' | 'features'>,
): AsyncGenerator<InputBatch> {
  const read = spec.columns?.map(columnSql) ?? spec.features.map(({ name }) => sqlName(name));
  const input = spec.columns ? rawColumns(spec.columns) : features(read.length);
  const select = [...read, sqlName('__label')].join(', ');
  for await (const chunk of database.chunks(`SELECT ${select} FROM ${parquet(paths)}`)) {
    yield {
      input: input(chunk.columns, chunk.rows),
      labels: Float64Array.from(chunk.columns[read.length] ?? [], labelOf),
    };
  }
}

/**
 * Mean of the labels of Parquet files in the database's folder. Summed in the files' order: the result
 * does not depend on how many threads DuckDB has.
 * @throws FeatureTableError where there is no row, or one without a label.
 */
export async function meanLabel(
  database: DuckdbDatabase,
  paths: readonly string[],
): Promise<number> {
  let rows = 0;
  let sum = 0;
  for await (const { labels } of inputBatches(database, paths, { features: [] })) {
    rows += labels.length;
    for (const label of labels) sum += label;
  }
  if (rows === 0) {
    throw new FeatureTableError('there are no training rows; build the features again');
  }
  return sum / rows;
}
