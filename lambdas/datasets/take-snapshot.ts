import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type * as z from 'zod';
import { type DuckdbDatabase, withDuckdb } from '../../adapters/duckdb-database.ts';
import { loadTypedTable } from '../../adapters/duckdb-typed-tables.ts';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import type { S3Objects, StoredVersion } from '../../adapters/s3-objects.ts';
import { landingPrefix, snapshotContent } from '../../core/datasets/landing.ts';
import {
  contentHash,
  type SnapshotFile,
  type SnapshotManifest,
  snapshotId,
} from '../../core/datasets/snapshot.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { readManifest } from './snapshot-tables.ts';
import type { TakeSnapshotResult } from './take-snapshot.contract.ts';

interface Deps {
  readonly data: S3Objects;
  readonly registry: Pick<DynamodbRegistry, 'latestDataset' | 'putDataset'>;
}

const identity = ({ key, versionId }: { key: string; versionId: string }) => `${versionId} ${key}`;

/** Files that the latest snapshot described already, because a version of an object never changes. */
async function describedFiles(
  { data, registry }: Deps,
  model: string,
): Promise<ReadonlyMap<string, SnapshotFile>> {
  const latest = await registry.latestDataset(model);
  if (!latest) return new Map();
  // It only saves work: without it, every file is read again.
  if (!(await data.find(latest.manifestKey))) return new Map();
  const manifest = await readManifest(data, latest.manifestKey);
  return new Map(
    // Without versions in the bucket the same name may have other content.
    manifest.files
      .filter((file) => file.versionId !== 'null')
      .map((file) => [identity(file), file]),
  );
}

async function describe(
  data: S3Objects,
  database: DuckdbDatabase,
  { key, versionId }: StoredVersion,
): Promise<SnapshotFile> {
  const path = join(database.folder, 'landed');
  const { sha256, bytes } = await data.download(key, versionId, path);
  const table = await loadTypedTable(database, { path, name: key }, {}, 'landed');
  const isTable = !('unreadable' in table);
  if (isTable) await database.run(`DROP TABLE ${table.name}`);
  await rm(path);
  return { key, versionId, sha256, bytes, rows: isTable ? table.rows : null };
}

function describeAll(
  data: S3Objects,
  files: readonly StoredVersion[],
  known: ReadonlyMap<string, SnapshotFile>,
): Promise<SnapshotFile[]> {
  return withDuckdb(async (database) => {
    const described: SnapshotFile[] = [];
    for (const file of files) {
      described.push(known.get(identity(file)) ?? (await describe(data, database, file)));
    }
    return described;
  });
}

/** Pins what is in a model's landing by object version. The same content is the same snapshot. */
export async function takeSnapshot(
  deps: Deps,
  definition: ModelDefinition,
): Promise<z.infer<typeof TakeSnapshotResult>> {
  const { data, registry } = deps;
  const model = definition.name;
  const landed = await data.listVersions(landingPrefix(model));
  const files = snapshotContent(landed, definition.data.mode);
  if (files.length === 0)
    return {
      outcome: 'empty',
      snapshotId: '',
      manifestKey: '',
      contentHash: '',
      files: 0,
      rows: 0,
    };
  const manifest: SnapshotManifest = {
    model,
    files: await describeAll(data, files, await describedFiles(deps, model)),
  };
  const id = snapshotId(manifest);
  const manifestKey = `snapshots/${model}/${id}/manifest.json`;
  // Its name says its content: what is there already is the same.
  if (!(await data.find(manifestKey))) await data.putJson(manifestKey, manifest);
  const takenAt = new Date().toISOString();
  await registry.putDataset({ model, snapshotId: id, manifestKey, files: files.length, takenAt });
  return {
    outcome: 'taken',
    snapshotId: id,
    manifestKey,
    contentHash: contentHash(manifest),
    files: files.length,
    rows: manifest.files.reduce((sum, { rows }) => sum + (rows ?? 0), 0),
  };
}
