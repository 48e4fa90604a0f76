import type * as z from 'zod';
import { type DuckdbDatabase, withDuckdb } from '../../adapters/duckdb-database.ts';
import {
  type DatasetRows,
  holdoutOf,
  neededColumns,
  refuseEmptySides,
  timeSpanOf,
  trainingData,
  UnfitSnapshotError,
} from '../../adapters/duckdb-training-data.ts';
import type { TypedTable } from '../../adapters/duckdb-typed-tables.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import type { SnapshotFile } from '../../core/datasets/snapshot.ts';
import { BuiltFeatures, featureKeys } from '../../core/features/built-features.ts';
import { featureSpecHash } from '../../core/features/fit-features.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { loadSnapshotFile, readManifest } from '../datasets/snapshot-tables.ts';
import type { BuildFeaturesEvent, BuildFeaturesResult } from './build-features.contract.ts';

type Keys = ReturnType<typeof featureKeys>;

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

function build(
  data: S3Objects,
  definition: ModelDefinition,
  snapshot: { readonly id: string; readonly files: readonly SnapshotFile[] },
  keys: Keys,
): Promise<BuiltFeatures> {
  return withDuckdb(async (database) => {
    const tables = await loadTables(data, database, definition, snapshot.files);
    const rows: DatasetRows = { database, tables, definition };
    const { spec, signature, files, profileOf } = await trainingData(
      rows,
      await holdoutOf(rows),
      snapshot.id,
    );
    const { train, holdout, raw } = files;
    refuseEmptySides(files);
    const counted = { train: train.rows, holdout: holdout.rows };
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
