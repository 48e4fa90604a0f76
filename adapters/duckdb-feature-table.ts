import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api';

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

const identifier = (name: string): string => `"${name.replaceAll('"', '""')}"`;
const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
const parquet = (paths: readonly string[]): string =>
  `read_parquet([${paths.map(literal).join(', ')}])`;

/** One thread: a sum must not depend on how many processors there were. */
async function withConnection<Result>(
  use: (connection: DuckDBConnection) => Promise<Result>,
): Promise<Result> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '1' });
  const connection = await instance.connect();
  try {
    return await use(connection);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
}

/**
 * Hands out the rows of local Parquet files with one FLOAT column per feature and `__label`, a few
 * thousand at a time, in the files' order.
 * @throws FeatureTableError where a row has no label.
 */
export async function forEachFeatureBatch(
  paths: readonly string[],
  features: readonly string[],
  use: (batch: FeatureBatch) => Promise<void>,
): Promise<void> {
  const columns = [...features, '__label'].map(identifier).join(', ');
  await withConnection(async (connection) => {
    const result = await connection.stream(`SELECT ${columns} FROM ${parquet(paths)}`);
    for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; ) {
      const rows = chunk.rowCount;
      const width = features.length;
      const values = new Float32Array(rows * width);
      for (let column = 0; column < width; column++) {
        chunk.visitColumnValues(column, (value, row) => {
          values[row * width + column] = value === null ? Number.NaN : Number(value);
        });
      }
      const labels = Float64Array.from(chunk.getColumnValues(width), (label) => {
        if (label === null)
          throw new FeatureTableError('a row has no label; build the features again');
        return Number(label);
      });
      await use({ rows, features: values, labels });
      chunk = await result.fetchChunk();
    }
  });
}

/**
 * Mean of the labels of local Parquet files.
 * @throws FeatureTableError where there is no row.
 */
export async function meanLabel(paths: readonly string[]): Promise<number> {
  return withConnection(async (connection) => {
    const reader = await connection.runAndReadAll(`SELECT avg("__label") FROM ${parquet(paths)}`);
    const mean = reader.getRows()[0]?.[0];
    if (typeof mean !== 'number') {
      throw new FeatureTableError('the training rows have no labels; build the features again');
    }
    return mean;
  });
}
