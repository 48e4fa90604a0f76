import { basename } from 'node:path';
import { hashFile, type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { sha256 } from '../../core/canonical-json.ts';
import { batchDropPrefix, batchUploadKey } from '../../core/inference/files/batch-documents.ts';
import { usageError } from '../command-error.ts';
import { checkFiles, formats, uploadFiles } from '../drop-files.ts';
import type { Terminal } from '../terminal.ts';

interface Place {
  readonly data: S3Objects;
  readonly model: string;
}

const isKnownForm = (key: string): boolean =>
  formats.some((format) => key.toLowerCase().endsWith(format));

/** Uploads a file of this machine, unless its content is there already. */
async function keyOfLocal({ data, model }: Place, file: string, terminal: Terminal) {
  const { sha256: hash, bytes } = await hashFile(file);
  const key = batchUploadKey(model, hash, basename(file));
  if ((await data.find(key))?.bytes === bytes) return key;
  await uploadFiles(data, model, [file], terminal, async () => key);
  return key;
}

/** Objects under an address; those of elsewhere are copied within S3 to where batches are read. */
async function keysUnder({ data, model }: Place, bucket: string, prefix: string) {
  const source = bucket === data.bucket ? data : s3Objects({ bucket, client: data.client });
  const found = (await source.listVersions(prefix)).filter(({ key }) => isKnownForm(key));
  if (found.length === 0) {
    throw usageError(
      `there is no file of a known format under s3://${bucket}/${prefix}; files end in ${formats.join(', ')}`,
    );
  }
  const keys: string[] = [];
  for (const { bytes, etag, key } of found) {
    if (bucket === data.bucket && key.startsWith(batchDropPrefix(model))) {
      keys.push(key);
      continue;
    }
    const target = batchUploadKey(model, sha256(`${bucket}/${key}/${etag}`), basename(key));
    if ((await data.find(target))?.bytes !== bytes) await data.copy({ bucket, key }, target);
    keys.push(target);
  }
  return keys;
}

/**
 * Keys of what the command line names: files of this machine, s3://bucket/prefix, or a prefix of the data
 * bucket under batch/<model>/.
 */
export async function batchKeysOf(
  place: Place,
  sources: readonly string[],
  terminal: Terminal,
): Promise<string[]> {
  const isDrop = (source: string) => source.startsWith(batchDropPrefix(place.model));
  checkFiles(sources.filter((source) => !source.startsWith('s3://') && !isDrop(source)));
  const keys: string[] = [];
  for (const source of sources) {
    const [, bucket, prefix] = /^s3:\/\/([^/]+)\/(.*)$/.exec(source) ?? [];
    if (source.startsWith('s3://') && (bucket === undefined || prefix === undefined)) {
      throw usageError(`${source} is no address; write it as s3://bucket/prefix`);
    }
    if (bucket !== undefined) keys.push(...(await keysUnder(place, bucket, prefix ?? '')));
    else if (isDrop(source)) keys.push(...(await keysUnder(place, place.data.bucket, source)));
    else keys.push(await keyOfLocal(place, source, terminal));
  }
  return [...new Set(keys)];
}
