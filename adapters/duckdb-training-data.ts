import { buildSignature } from '../core/features/build-signature.ts';
import type { TimeSpan } from '../core/features/built-features.ts';
import { computeFeatureColumns } from '../core/features/compute-features.ts';
import { type FeatureSpec, inputColumns } from '../core/features/feature-spec.ts';
import { featureFitter } from '../core/features/fit-features.ts';
import { holdoutColumn, holdoutTest } from '../core/features/holdout.ts';
import type { RawColumns } from '../core/features/raw-values.ts';
import type { Signature } from '../core/inference/signature.ts';
import type { ModelDefinition } from '../core/model/define-model.ts';
import type { TrainingProfile } from '../core/monitoring/profile.ts';
import { trainingProfiler } from '../core/monitoring/profile-training-rows.ts';
import type { DuckdbDatabase } from './duckdb-database.ts';
import { type HoldoutKeeper, holdoutKeeper, keptColumns } from './duckdb-holdout-rows.ts';
import { type TrainingFile, type TrainingRows, trainingFile } from './duckdb-training-files.ts';
import { extent, type TypedTable, typedColumns } from './duckdb-typed-tables.ts';

/** A snapshot that was not, or not rightly, validated: features of it cannot be computed. */
export class UnfitSnapshotError extends Error {
  override readonly name = 'UnfitSnapshotError';
}

/** Tells of each row of a chunk whether it is held out. */
export type IsHoldout = (columns: RawColumns, row: number) => boolean;

/** Rows in the declared types. */
export interface DatasetRows {
  readonly database: DuckdbDatabase;
  readonly tables: readonly TypedTable[];
  readonly definition: ModelDefinition;
}

/** What of a file is read for features and for the holdout. */
export function neededColumns(definition: ModelDefinition): ModelDefinition['data']['columns'] {
  const { columns, eventTime, label } = definition.data;
  const kept = keptColumns(definition);
  const needed = new Set([...Object.keys(kept), label, holdoutColumn(definition), eventTime]);
  return Object.fromEntries(Object.entries(columns).filter(([name]) => needed.has(name)));
}

async function learn(
  rows: DatasetRows,
  isHoldout: IsHoldout,
  snapshotId: string,
): Promise<FeatureSpec> {
  const { database, tables, definition } = rows;
  const fitter = featureFitter(definition, snapshotId);
  const needed = [...fitter.columns, holdoutColumn(definition)];
  for (const table of tables) {
    if (fitter.columns.length === 0) break;
    for await (const { columns } of typedColumns(database, table, needed)) {
      fitter.add(columns, (row) => !isHoldout(columns, row));
    }
  }
  return fitter.spec();
}

/** The chunk's rows of one side, taken out of all of them. */
function side(
  { features, labels, columns }: Pick<TrainingRows, 'features' | 'labels' | 'columns'>,
  picked: readonly number[],
  firstNumber: number,
): TrainingRows {
  return {
    columns,
    picked,
    features: features.map((values) =>
      Float32Array.from(picked, (row) => values[row] ?? Number.NaN),
    ),
    labels: picked.map((row) => labels[row] ?? Number.NaN),
    numbers: picked.map((row) => firstNumber + row),
  };
}

function labelsOf(values: RawColumns[string] | undefined, table: TypedTable): number[] {
  return (values ?? []).map((value, i) => {
    const label = typeof value === 'string' || value === null ? Number.NaN : Number(value);
    if (Number.isFinite(label)) return label;
    throw new UnfitSnapshotError(
      `a row of ${table.name} near its ${i + 1}th has no label; validate the snapshot`,
    );
  });
}

/** One chunk of the snapshot's rows, on their two sides. */
interface Computed {
  readonly columns: RawColumns;
  readonly sides: Readonly<Record<'train' | 'holdout', TrainingRows>>;
}

async function* computed(
  rows: DatasetRows,
  spec: FeatureSpec,
  isHoldout: IsHoldout,
  kept: readonly string[] = [],
): AsyncGenerator<Computed> {
  const { database, tables, definition } = rows;
  const { label } = definition.data;
  const needed = [...inputColumns(spec), label, holdoutColumn(definition), ...kept];
  let first = 0;
  for (const table of tables) {
    for await (const chunk of typedColumns(database, table, needed)) {
      const features = computeFeatureColumns(spec, chunk.columns, chunk.rows);
      const labels = labelsOf(chunk.columns[label], table);
      const picked: { train: number[]; holdout: number[] } = { train: [], holdout: [] };
      for (let row = 0; row < chunk.rows; row += 1) {
        picked[isHoldout(chunk.columns, row) ? 'holdout' : 'train'].push(row);
      }
      const all = { features, labels, columns: chunk.columns };
      const sides = {
        train: side(all, picked.train, first),
        holdout: side(all, picked.holdout, first),
      };
      yield { columns: chunk.columns, sides };
      first += chunk.rows;
    }
  }
}

interface Written {
  readonly train: TrainingFile;
  readonly holdout: TrainingFile;
  readonly raw: HoldoutKeeper;
}

/** Writes the features of both sides, then profiles the training rows: their cells have to be known first. */
async function compute(
  rows: DatasetRows,
  spec: FeatureSpec,
  isHoldout: IsHoldout,
  files: Written,
): Promise<() => Promise<TrainingProfile>> {
  const profiler = trainingProfiler(rows.definition, spec);
  for await (const chunk of computed(rows, spec, isHoldout, files.raw.columns)) {
    files.train.append(chunk.sides.train);
    files.holdout.append(chunk.sides.holdout);
    files.raw.add(chunk.columns, chunk.sides.holdout.picked);
    profiler.sample(chunk.sides.train);
  }
  return async () => {
    const counter = profiler.counter();
    for await (const { sides, columns } of computed(rows, spec, isHoldout)) {
      counter.add(sides.train, columns, sides.train.picked);
    }
    return counter.profile();
  };
}

/** Event times of all rows. */
export async function timeSpanOf({
  database,
  definition,
  tables,
}: DatasetRows): Promise<TimeSpan | undefined> {
  const { eventTime } = definition.data;
  const found = eventTime === undefined ? undefined : await extent(database, tables, eventTime);
  const instant = (micros: number) => new Date(Math.floor(micros / 1_000)).toISOString();
  return found && { from: instant(found.smallest), to: instant(found.largest) };
}

async function newestRow({ database, definition, tables }: DatasetRows): Promise<number | null> {
  if (definition.evaluation.holdout.by !== 'time') return null;
  return (await extent(database, tables, holdoutColumn(definition)))?.largest ?? null;
}

/** How the rows are split, as the definition says it. */
export const holdoutOf = async (rows: DatasetRows): Promise<IsHoldout> =>
  holdoutTest(rows.definition, await newestRow(rows));

/** What a trainer reads, in the making, with what it is made by. */
export interface TrainingData {
  readonly spec: FeatureSpec;
  readonly signature: Signature;
  readonly files: Written;
  /** Profiles the training rows. */
  readonly profileOf: () => Promise<TrainingProfile>;
}

/**
 * Learns the features from the training rows and computes those of all rows, in files that are still to be
 * finished.
 */
export async function trainingData(
  rows: DatasetRows,
  isHoldout: IsHoldout,
  snapshotId: string,
): Promise<TrainingData> {
  const { database, definition } = rows;
  const spec = await learn(rows, isHoldout, snapshotId);
  const signature = buildSignature(definition, spec);
  const files = {
    train: await trainingFile(database, 'train', spec),
    holdout: await trainingFile(database, 'holdout', spec),
    raw: await holdoutKeeper(database, definition, signature),
  };
  const profileOf = await compute(rows, spec, isHoldout, files);
  return { spec, signature, files, profileOf };
}

/** @throws UnfitSnapshotError where a side has no row */
export function refuseEmptySides({ train, holdout }: Pick<Written, 'train' | 'holdout'>): void {
  if (train.rows > 0 && holdout.rows > 0) return;
  throw new UnfitSnapshotError(
    `there are ${train.rows} rows to train on and ${holdout.rows} to evaluate on, and both are needed; change evaluation.holdout in model.ts or drop more rows`,
  );
}
