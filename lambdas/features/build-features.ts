import type { z } from 'zod';
import { type DuckdbDatabase, withDuckdb } from '../../adapters/duckdb-database.ts';
import { extent, type TypedTable, typedColumns } from '../../adapters/duckdb-typed-tables.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import type { SnapshotFile } from '../../core/datasets/snapshot.ts';
import { buildSignature } from '../../core/features/build-signature.ts';
import { BuiltFeatures, featureKeys, type TimeSpan } from '../../core/features/built-features.ts';
import { computeFeatureColumns } from '../../core/features/compute-features.ts';
import { type FeatureSpec, inputColumns } from '../../core/features/feature-spec.ts';
import { featureFitter, featureSpecHash } from '../../core/features/fit-features.ts';
import { holdoutColumn, holdoutTest } from '../../core/features/holdout.ts';
import type { RawColumns } from '../../core/features/raw-values.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import type { TrainingProfile } from '../../core/monitoring/profile.ts';
import { trainingProfiler } from '../../core/monitoring/profile-training-rows.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { loadSnapshotFile, readManifest } from '../datasets/snapshot-tables.ts';
import type { BuildFeaturesEvent, BuildFeaturesResult } from './build-features.contract.ts';
import { type HoldoutKeeper, holdoutKeeper, keptColumns } from './keep-holdout.ts';
import { type TrainingFile, type TrainingRows, trainingFile } from './training-file.ts';

/** A snapshot that was not, or not rightly, validated: features of it cannot be computed. */
export class UnfitSnapshotError extends Error {
  override readonly name = 'UnfitSnapshotError';
}

type IsHoldout = (columns: RawColumns, row: number) => boolean;

/** The snapshot's rows in the declared types. */
interface Rows {
  readonly database: DuckdbDatabase;
  readonly tables: readonly TypedTable[];
  readonly definition: ModelDefinition;
}

function neededColumns(definition: ModelDefinition): ModelDefinition['data']['columns'] {
  const { columns, eventTime, label } = definition.data;
  const kept = keptColumns(definition);
  const needed = new Set([...Object.keys(kept), label, holdoutColumn(definition), eventTime]);
  return Object.fromEntries(Object.entries(columns).filter(([name]) => needed.has(name)));
}

async function loadTables(
  data: S3Objects,
  database: DuckdbDatabase,
  definition: ModelDefinition,
  files: readonly SnapshotFile[],
): Promise<TypedTable[]> {
  const columns = neededColumns(definition);
  const tables: TypedTable[] = [];
  for (const [i, file] of files.entries()) {
    const table = await loadSnapshotFile(data, database, file, { table: `file_${i}`, columns });
    if ('unreadable' in table) {
      throw new UnfitSnapshotError(`${file.key}: ${table.unreadable.message}`);
    }
    tables.push(table);
  }
  return tables;
}

async function learn(rows: Rows, isHoldout: IsHoldout, snapshotId: string): Promise<FeatureSpec> {
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
  rows: Rows,
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
  rows: Rows,
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

type Keys = ReturnType<typeof featureKeys>;

/** Event times of all rows. */
async function timeSpanOf({ database, definition, tables }: Rows): Promise<TimeSpan | undefined> {
  const { eventTime } = definition.data;
  const found = eventTime === undefined ? undefined : await extent(database, tables, eventTime);
  const instant = (micros: number) => new Date(Math.floor(micros / 1_000)).toISOString();
  return found && { from: instant(found.smallest), to: instant(found.largest) };
}

async function newestRow({ database, definition, tables }: Rows): Promise<number | null> {
  if (definition.evaluation.holdout.by !== 'time') return null;
  return (await extent(database, tables, holdoutColumn(definition)))?.largest ?? null;
}

function build(
  data: S3Objects,
  definition: ModelDefinition,
  snapshot: { readonly id: string; readonly files: readonly SnapshotFile[] },
  keys: Keys,
): Promise<BuiltFeatures> {
  return withDuckdb(async (database) => {
    const tables = await loadTables(data, database, definition, snapshot.files);
    const rows: Rows = { database, tables, definition };
    const isHoldout = holdoutTest(definition, await newestRow(rows));
    const spec = await learn(rows, isHoldout, snapshot.id);
    const signature = buildSignature(definition, spec);
    const train = await trainingFile(database, 'train', spec);
    const holdout = await trainingFile(database, 'holdout', spec);
    const raw = await holdoutKeeper(database, definition, signature);
    const profileOf = await compute(rows, spec, isHoldout, { train, holdout, raw });
    const counted = { train: train.rows, holdout: holdout.rows };
    if (counted.train === 0 || counted.holdout === 0) {
      throw new UnfitSnapshotError(
        `there are ${counted.train} rows to train on and ${counted.holdout} to evaluate on, and both are needed; change evaluation.holdout in model.ts or drop more rows`,
      );
    }
    const objects = {
      [keys.train]: await data.upload(await train.finish(), keys.train),
      [keys.holdout]: await data.upload(await holdout.finish(), keys.holdout),
      [keys.holdoutRows]: await data.upload(await raw.finish(), keys.holdoutRows),
      [keys.instances]: await data.putJson(keys.instances, { instances: raw.instances }),
      [keys.spec]: await data.putJson(keys.spec, spec),
      [keys.signature]: await data.putJson(keys.signature, signature),
      [keys.profile]: await data.putJson(keys.profile, await profileOf()),
    };
    const timeSpan = await timeSpanOf(rows);
    return { specHash: spec.specHash, rows: counted, ...(timeSpan && { timeSpan }), objects };
  }, 2_048);
}

/** What was built before, if all of it is still there. */
async function builtBefore(data: S3Objects, keys: Keys): Promise<BuiltFeatures | undefined> {
  if (!(await data.find(keys.built))) return undefined;
  const built = parseDocument(BuiltFeatures, await data.getJson(keys.built), keys.built);
  // Features of before there were profiles, or raw rows of the holdout, are built again.
  if (!(keys.profile in built.objects && keys.holdoutRows in built.objects)) return undefined;
  for (const [key, { bytes }] of Object.entries(built.objects)) {
    if ((await data.find(key))?.bytes !== bytes) return undefined;
  }
  return built;
}

/** Computes the features of a snapshot for training and for the holdout, unless they are there already. */
export async function buildFeatures(
  data: S3Objects,
  definition: ModelDefinition,
  event: z.infer<typeof BuildFeaturesEvent>,
): Promise<z.infer<typeof BuildFeaturesResult>> {
  const { snapshotId, manifestKey } = event;
  const keys = featureKeys(definition.name, snapshotId, featureSpecHash(definition, snapshotId));
  let built = await builtBefore(data, keys);
  if (!built) {
    const { files } = await readManifest(data, manifestKey);
    built = await build(data, definition, { id: snapshotId, files }, keys);
    await data.putJson(keys.built, built);
  }
  const uri = (folder: string) => `s3://${data.bucket}/${keys.prefix}${folder}/`;
  return {
    specHash: built.specHash,
    featuresKey: keys.spec,
    signatureKey: keys.signature,
    profileKey: keys.profile,
    holdoutKey: keys.holdout,
    holdoutRowsKey: keys.holdoutRows,
    instancesKey: keys.instances,
    builtKey: keys.built,
    trainUri: uri('train'),
    validationUri: uri('validation'),
    featuresUri: uri('features'),
    rows: built.rows,
  };
}
