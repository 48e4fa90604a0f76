import { type DuckdbDatabase, sqlName, sqlText } from './duckdb-database.ts';

/** A feature table has values that it must not have. */
export class FeatureTableError extends Error {
  override readonly name = 'FeatureTableError';
}

/** Consecutive rows of a feature table. */
export interface FeatureBatch {
  readonly rows: number;
  /** Row-major, in the order of the names asked for; NaN = missing. */
  readonly features: Float32Array;
  readonly labels: Float64Array;
}

const parquet = (paths: readonly string[]): string =>
  `read_parquet([${paths.map(sqlText).join(', ')}])`;

function labelOf(value: unknown): number {
  if (typeof value === 'number') return value;
  throw new FeatureTableError('a row of the features has no label; build the features again');
}

/**
 * The rows of Parquet files in the database's folder, which have one FLOAT column per feature and
 * `__label`: about 2,000 at a time, in the files' order.
 * @throws FeatureTableError where a row has no label.
 */
export async function* featureBatches(
  database: DuckdbDatabase,
  paths: readonly string[],
  features: readonly string[],
): AsyncGenerator<FeatureBatch> {
  const names = [...features, '__label'].map(sqlName).join(', ');
  const width = features.length;
  for await (const { rows, columns } of database.chunks(`SELECT ${names} FROM ${parquet(paths)}`)) {
    const values = new Float32Array(rows * width);
    for (let column = 0; column < width; column++) {
      for (const [row, value] of (columns[column] ?? []).entries()) {
        values[row * width + column] = value === null ? Number.NaN : Number(value);
      }
    }
    yield { rows, features: values, labels: Float64Array.from(columns[width] ?? [], labelOf) };
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
  for await (const { labels } of featureBatches(database, paths, [])) {
    rows += labels.length;
    for (const label of labels) sum += label;
  }
  if (rows === 0) {
    throw new FeatureTableError('there are no training rows; build the features again');
  }
  return sum / rows;
}
