import * as z from 'zod';
import { hashOf } from '../canonical-json.ts';

export const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, { error: 'a hex SHA-256' });

/** One object of a snapshot, pinned by version: overwriting the key later changes nothing here. */
export const SnapshotFile = z.strictObject({
  key: z.string(),
  versionId: z.string(),
  sha256: Sha256,
  bytes: z.int().nonnegative(),
  /** null where the file could not be read as a table; validation says why. */
  rows: z.int().nonnegative().nullable(),
});
export type SnapshotFile = z.infer<typeof SnapshotFile>;

/** snapshots/<model>/<id>/manifest.json; files sorted by key. */
export const SnapshotManifest = z.strictObject({
  model: z.string(),
  files: z.array(SnapshotFile),
});
export type SnapshotManifest = z.infer<typeof SnapshotManifest>;

/** A snapshot's id is the hash of its canonical manifest: the same files are the same snapshot. */
export const snapshotId = (manifest: SnapshotManifest): string => hashOf(manifest);

/**
 * What a training sees of a snapshot: names and content. A file that is dropped again unchanged is another
 * version of the object, and so another snapshot, but nothing new to train on.
 */
export const contentHash = ({ model, files }: SnapshotManifest): string =>
  hashOf({ model, files: files.map(({ key, sha256 }) => ({ key, sha256 })) });
