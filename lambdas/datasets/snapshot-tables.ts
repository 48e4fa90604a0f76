import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { DuckdbDatabase } from '../../adapters/duckdb-database.ts';
import { loadTypedTable } from '../../adapters/duckdb-typed-tables.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { type SnapshotFile, SnapshotManifest } from '../../core/datasets/snapshot.ts';
import type { Column } from '../../core/model/column.ts';
import { parseDocument } from '../../core/parse-document.ts';

/** An object version is not the one that the snapshot describes. */
export class SnapshotChangedError extends Error {
  override readonly name = 'SnapshotChangedError';
}

/** @throws ObjectNotFoundError @throws InvalidDocumentError */
export const readManifest = async (data: S3Objects, key: string): Promise<SnapshotManifest> =>
  parseDocument(SnapshotManifest, await data.getJson(key), key);

/**
 * Downloads one of a snapshot's files and reads it into a new table.
 * @throws SnapshotChangedError when the bytes are not those of the snapshot
 */
export async function loadSnapshotFile(
  data: S3Objects,
  database: DuckdbDatabase,
  file: SnapshotFile,
  into: { readonly table: string; readonly columns: Readonly<Record<string, Column>> },
) {
  const path = join(database.folder, into.table);
  const { sha256 } = await data.download(file.key, file.versionId, path);
  if (sha256 !== file.sha256) {
    throw new SnapshotChangedError(
      `version ${file.versionId} of ${file.key} has SHA-256 ${sha256} and the snapshot says ${file.sha256}; take a new snapshot`,
    );
  }
  const loaded = await loadTypedTable(database, { path, name: file.key }, into.columns, into.table);
  await Promise.all([rm(path), rm(`${path}.txt`, { force: true })]);
  return loaded;
}
