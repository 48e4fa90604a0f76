import type { FeatureSpec } from '../core/features/feature-spec.ts';
import { type ColumnRows, columnFile } from './duckdb-column-files.ts';
import type { DuckdbDatabase } from './duckdb-database.ts';
import { type FeatureRows, featureFile } from './duckdb-feature-files.ts';

/** Rows of one side of a chunk: their features, and where they are among the chunk's raw columns. */
export type TrainingRows = FeatureRows & ColumnRows;

/** A file that a trainer reads, in the making. */
export interface TrainingFile {
  readonly rows: number;
  append(rows: TrainingRows): void;
  /** Writes the file and answers its path. */
  finish(): Promise<string>;
}

/** Of the features, or of the raw columns, as the model takes one or the other. */
export const trainingFile = (
  database: DuckdbDatabase,
  table: string,
  { columns, features }: FeatureSpec,
): Promise<TrainingFile> =>
  columns
    ? columnFile(database, table, columns)
    : featureFile(
        database,
        table,
        features.map(({ name }) => name),
      );
