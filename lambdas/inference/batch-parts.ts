import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import type { BatchPlan } from '../../core/inference/files/batch-documents.ts';
import {
  CorruptVersionError,
  loadVersion,
  type VersionSource,
} from '../../core/inference/versions/load-version.ts';
import type { LoadedVersion } from '../../core/inference/versions/loaded-version.ts';

/** An object of a batch is no longer what the batch was planned with. */
export class BatchChangedError extends Error {
  override readonly name = 'BatchChangedError';
}

/** One version at a time stays loaded: the next shard is mostly of the same batch. */
export function batchVersion(source: VersionSource) {
  let kept: { readonly number: number; readonly loading: Promise<LoadedVersion> } | undefined;
  return async ({ version, modelSha256, featuresSha256 }: BatchPlan): Promise<LoadedVersion> => {
    if (kept?.number !== version) {
      const before = kept;
      kept = { number: version, loading: loadVersion(source, version) };
      // One that could not be loaded has no session.
      await before?.loading.then(
        ({ session }) => session.release(),
        () => undefined,
      );
    }
    try {
      const loaded = await kept.loading;
      const { identity } = loaded;
      if (identity.modelSha256 === modelSha256 && identity.featuresSha256 === featuresSha256) {
        return loaded;
      }
    } catch (error) {
      kept = undefined;
      throw error;
    }
    throw new CorruptVersionError(
      `version ${version} is not the one that the batch was planned with; start the batch again`,
    );
  };
}

/** The file that a batch's rows are in stays on the function's disk for its next shards. */
export function keptRowsFile(data: S3Objects) {
  let kept: { readonly sha256: string; readonly path: string } | undefined;
  return async ({ input, typedRows }: BatchPlan): Promise<string> => {
    const wanted = typedRows ?? input;
    if (kept?.sha256 === wanted.sha256) return kept.path;
    if (kept) await rm(join(kept.path, '..'), { recursive: true, force: true });
    kept = undefined;
    const path = join(await mkdtemp(join(tmpdir(), 'slipway-rows-')), 'rows');
    const versionId = typedRows === null ? input.versionId : undefined;
    const { sha256 } = await data.download(wanted.key, versionId, path);
    if (sha256 !== wanted.sha256) {
      throw new BatchChangedError(
        `${wanted.key} has SHA-256 ${sha256} and the batch was planned with ${wanted.sha256}; start the batch again`,
      );
    }
    kept = { sha256, path };
    return path;
  };
}
