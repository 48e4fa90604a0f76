import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import type { Readable } from 'node:stream';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import {
  CopyObjectCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectVersionsCommand,
  type ListObjectVersionsCommandOutput,
  type ObjectVersion,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { canonicalJson } from '../core/canonical-json.ts';
import { ObjectStoreError, translateObjectError } from './object-errors.ts';

/** An object's text is not JSON. */
export class ObjectNotJsonError extends Error {
  override readonly name = 'ObjectNotJsonError';
}

export interface StoredObject {
  readonly key: string;
  readonly bytes: number;
}

/** The current version of an object; versionId is 'null' in a bucket that keeps no versions. */
export interface StoredVersion extends StoredObject {
  readonly versionId: string;
  /** Names the content. */
  readonly etag: string;
  readonly modifiedAt: Date;
}

export interface ContentHash {
  /** Hex. */
  readonly sha256: string;
  readonly bytes: number;
}

const changed = new Set(['PreconditionFailed', 'ConditionalRequestConflict']);

const base64 = (hex: string): string => Buffer.from(hex, 'hex').toString('base64');

/** Passes bytes on unchanged and knows their hash and number in the end. */
function hashing(): { through: Transform; result: () => ContentHash } {
  const hash = createHash('sha256');
  let bytes = 0;
  const through = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      bytes += chunk.length;
      done(null, chunk);
    },
  });
  return { through, result: () => ({ sha256: hash.digest('hex'), bytes }) };
}

/** Hash and size of a local file. */
export async function hashFile(path: string): Promise<ContentHash> {
  const { through, result } = hashing();
  await pipeline(createReadStream(path), through.resume());
  return result();
}

/** A key as a CopySource: each part of the path percent-encoded. */
const copySource = (bucket: string, key: string, versionId?: string): string =>
  `${bucket}/${key.split('/').map(encodeURIComponent).join('/')}${
    versionId === undefined ? '' : `?versionId=${encodeURIComponent(versionId)}`
  }`;

function parsed(text: string, bucket: string, key: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ObjectNotJsonError(`s3://${bucket}/${key} is not JSON; write it again`, { cause });
  }
}

const contentTypes: readonly (readonly [string, string])[] = [
  ['.json', 'application/json'],
  ['.jsonl', 'application/x-ndjson'],
  ['.html', 'text/html; charset=utf-8'],
];
const contentType = (key: string): string =>
  contentTypes.find(([end]) => key.endsWith(end))?.[1] ?? 'application/octet-stream';

async function listed(client: S3Client, Bucket: string, Prefix: string): Promise<StoredObject[]> {
  const found: StoredObject[] = [];
  for await (const page of paginateListObjectsV2({ client }, { Bucket, Prefix })) {
    for (const { Key, Size } of page.Contents ?? []) {
      if (Key !== undefined) found.push({ key: Key, bytes: Size ?? 0 });
    }
  }
  return found;
}

const currentVersions = (versions: readonly ObjectVersion[]): StoredVersion[] =>
  versions.flatMap(({ Key, Size, VersionId, IsLatest, LastModified, ETag }) =>
    Key === undefined || !IsLatest
      ? []
      : [
          {
            key: Key,
            bytes: Size ?? 0,
            versionId: VersionId ?? 'null',
            etag: ETag ?? '',
            modifiedAt: LastModified ?? new Date(0),
          },
        ],
  );

async function listedVersions(
  client: S3Client,
  Bucket: string,
  Prefix: string,
): Promise<StoredVersion[]> {
  const found: StoredVersion[] = [];
  // The SDK has no paginator for this one.
  let page: ListObjectVersionsCommandOutput | undefined;
  do {
    const marker = { KeyMarker: page?.NextKeyMarker, VersionIdMarker: page?.NextVersionIdMarker };
    page = await client.send(new ListObjectVersionsCommand({ Bucket, Prefix, ...marker }));
    found.push(...currentVersions(page.Versions ?? []));
  } while (page.IsTruncated);
  return found;
}

export type S3Objects = ReturnType<typeof s3Objects>;

/**
 * The objects of one bucket. Every method throws ObjectStoreError when S3 fails, and ObjectNotFoundError
 * when what it reads does not exist.
 */
export function s3Objects(options: { readonly bucket: string; readonly client?: S3Client }) {
  const { bucket } = options;
  const client = options.client ?? new S3Client({});
  const doing = async <T>(operation: string, key: string, act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      throw translateObjectError(error, operation, bucket, key);
    }
  };

  const open = async (key: string, versionId?: string): Promise<Readable> => {
    const reply = await client.send(
      new GetObjectCommand({ Bucket: bucket, Key: key, VersionId: versionId }),
    );
    // In Node the body is always a Readable.
    return reply.Body as Readable;
  };

  const get = (key: string, versionId?: string): Promise<Buffer> =>
    doing('read', key, async () => {
      const parts: Buffer[] = [];
      for await (const part of await open(key, versionId)) parts.push(part as Buffer);
      return Buffer.concat(parts);
    });

  const put = (key: string, body: string | Uint8Array): Promise<ContentHash> =>
    doing('write', key, async () => {
      const bytes = typeof body === 'string' ? Buffer.from(body) : body;
      const sha256 = createHash('sha256').update(bytes).digest('hex');
      await client.send(
        new PutObjectCommand({
          Bucket: bucket,
          Key: key,
          Body: bytes,
          ContentType: contentType(key),
          ChecksumSHA256: base64(sha256),
        }),
      );
      return { sha256, bytes: bytes.length };
    });

  const list = (prefix: string): Promise<StoredObject[]> =>
    doing('list', prefix, () => listed(client, bucket, prefix));

  return {
    bucket,
    client,
    get,
    put,
    list,

    /** The parsed JSON of an object. @throws ObjectNotJsonError */
    getJson: async (key: string): Promise<unknown> =>
      parsed((await get(key)).toString('utf8'), bucket, key),

    /** Writes the canonical JSON of a value: equal values are equal bytes. */
    putJson: (key: string, value: unknown): Promise<ContentHash> => put(key, canonicalJson(value)),

    /**
     * The current version of an object; undefined where there is none. It asks for a listing, because a
     * role that may list a prefix only is refused, not told, what is missing from it.
     */
    find: (key: string): Promise<StoredVersion | undefined> =>
      doing('list', key, async () => {
        const page = await client.send(
          new ListObjectVersionsCommand({ Bucket: bucket, Prefix: key, MaxKeys: 1 }),
        );
        // Keys come in order, and of one key the latest first, be it a version or a deletion.
        return currentVersions(page.Versions ?? []).find((version) => version.key === key);
      }),

    /** The current version of every object under a prefix; what is deleted is not among them. */
    listVersions: (prefix: string): Promise<StoredVersion[]> =>
      doing('list', prefix, () => listedVersions(client, bucket, prefix)),

    /** Writes one version of an object to a local file. */
    download: (key: string, versionId: string | undefined, path: string): Promise<ContentHash> =>
      doing('read', key, async () => {
        const { through, result } = hashing();
        await pipeline(await open(key, versionId), through, createWriteStream(path));
        return result();
      }),

    /** Writes a local file, of at most 5 GB, as an object. */
    upload: (path: string, key: string): Promise<ContentHash> =>
      doing('write', key, async () => {
        const { sha256, bytes } = await hashFile(path);
        await client.send(
          new PutObjectCommand({
            Bucket: bucket,
            Key: key,
            Body: createReadStream(path),
            ContentLength: (await stat(path)).size,
            ContentType: contentType(key),
            ChecksumSHA256: base64(sha256),
          }),
        );
        return { sha256, bytes };
      }),

    /** Copies an object of at most 5 GB within S3, without its tags, from this bucket unless another is named. */
    copy: (
      source: { readonly key: string; readonly versionId?: string; readonly bucket?: string },
      key: string,
    ): Promise<void> =>
      doing('read', source.key, async () => {
        await client.send(
          new CopyObjectCommand({
            Bucket: bucket,
            Key: key,
            CopySource: copySource(source.bucket ?? bucket, source.key, source.versionId),
            ChecksumAlgorithm: 'SHA256',
            // To copy tags takes rights to read and write tags, which no role has.
            TaggingDirective: 'REPLACE',
          }),
        );
      }),

    /** Hash and size of an object's bytes, read through once. */
    hash: (key: string, versionId?: string): Promise<ContentHash> =>
      doing('read', key, async () => {
        const { through, result } = hashing();
        await pipeline(await open(key, versionId), through.resume());
        return result();
      }),

    /** Deletes an object; in a bucket with versions its versions stay. No error where there is none. */
    remove: (key: string): Promise<void> =>
      doing('delete', key, async () => {
        await client.send(new DeleteObjectCommand({ Bucket: bucket, Key: key }));
      }),

    /** Deletes an object unless it has other content by now. Answers whether it was deleted. */
    removeUnchanged: (object: StoredVersion): Promise<boolean> =>
      doing('delete', object.key, async () => {
        try {
          await client.send(
            new DeleteObjectCommand({ Bucket: bucket, Key: object.key, IfMatch: object.etag }),
          );
          return true;
        } catch (error) {
          if (error instanceof Error && changed.has(error.name)) return false;
          throw error;
        }
      }),

    /** Deletes every object under a prefix, which must end in a slash. Answers how many there were. */
    removePrefix: async (prefix: string): Promise<number> => {
      if (!prefix.endsWith('/')) {
        throw new ObjectStoreError(
          `refused to delete '${prefix}' of ${bucket}; the prefix must end in a slash`,
        );
      }
      const found = await list(prefix);
      for (let i = 0; i < found.length; i += 1000) {
        await doing('delete', prefix, async () => {
          const objects = found.slice(i, i + 1000).map(({ key }) => ({ Key: key }));
          const reply = await client.send(
            new DeleteObjectsCommand({ Bucket: bucket, Delete: { Objects: objects, Quiet: true } }),
          );
          const refused = reply.Errors?.[0];
          if (refused) throw new Error(`${refused.Key}: ${refused.Code} ${refused.Message}`);
        });
      }
      return found.length;
    },
  };
}
