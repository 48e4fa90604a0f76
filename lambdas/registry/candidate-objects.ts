import type * as z from 'zod';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { keyPrefix } from '../../adapters/s3-uri.ts';
import { Signature } from '../../core/inference/signature.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { ArtifactCorruptedError, LineageIncompleteError } from '../../core/registry/errors.ts';
import type { ModelVersion } from '../../core/registry/records.ts';

type Content = ModelVersion['artifacts'][string];

/** The key prefix of a job's model, ending in a slash; SageMaker reports it as a URI. */
export function jobPrefix(bucket: string, uri: string, model: string): string {
  const prefix = keyPrefix(bucket, uri);
  if (prefix !== undefined) return prefix;
  throw new LineageIncompleteError(model, [`artifacts: ${uri} does not lie in s3://${bucket}/`]);
}

/** A document in a bucket; undefined where there is none. */
export async function documentAt<Schema extends z.ZodType>(
  objects: S3Objects,
  key: string,
  schema: Schema,
): Promise<z.infer<Schema> | undefined> {
  if (!(await objects.find(key))) return undefined;
  return parseDocument(schema, await objects.getJson(key), key);
}

/** Hash and size of an object; undefined where there is none. */
export async function contentAt(objects: S3Objects, key: string): Promise<Content | undefined> {
  return (await objects.find(key)) && objects.hash(key);
}

interface Source {
  readonly name: string;
  readonly from: S3Objects;
  readonly key: string;
  readonly content: Content;
}

export interface CandidateObjects {
  readonly featuresKey: string;
  readonly signatureKey: string;
  /** Of the endpoint whose container answers for it. */
  readonly endpointName?: string | undefined;
  /** A candidate without training rows has no profile. */
  readonly hasProfile: boolean;
}

/** What is copied into the version, with the hash that each had when the lineage was sealed. */
export async function artifactSources(
  { data, artifacts }: { readonly data: S3Objects; readonly artifacts: S3Objects },
  model: string,
  job: string,
  event: CandidateObjects,
): Promise<Source[]> {
  const modelFile = event.endpointName === undefined ? 'model.onnx' : 'model.tar.gz';
  const wanted = [
    { name: modelFile, from: artifacts, key: `${job}${modelFile}` },
    { name: 'parity.json', from: artifacts, key: `${job}parity.json` },
    { name: 'environment.json', from: artifacts, key: `${job}environment.json` },
    ...(event.hasProfile
      ? [{ name: 'profile.json', from: artifacts, key: `${job}profile.json` }]
      : []),
    { name: 'features.json', from: data, key: event.featuresKey },
    { name: 'signature.json', from: data, key: event.signatureKey },
  ];
  const hashed = await Promise.all(
    wanted.map(async (source) => ({
      ...source,
      content: await contentAt(source.from, source.key),
    })),
  );
  const absent = hashed.filter(({ content }) => !content);
  if (absent.length > 0) {
    throw new LineageIncompleteError(
      model,
      absent.map(({ name, key }) => `artifacts: there is no ${name} at ${key}`),
    );
  }
  parseDocument(Signature, await data.getJson(event.signatureKey), event.signatureKey);
  return hashed.flatMap(({ content, ...source }) => (content ? [{ ...source, content }] : []));
}

export async function copyAll(
  artifacts: S3Objects,
  sources: readonly Source[],
  prefix: string,
): Promise<ModelVersion['artifacts']> {
  const copied = await Promise.all(
    sources.map(async ({ name, from, key, content }) => {
      const target = `${prefix}${name}`;
      await artifacts.copy({ bucket: from.bucket, key }, target);
      const { sha256, bytes } = await artifacts.hash(target);
      if (sha256 !== content.sha256)
        throw new ArtifactCorruptedError(target, content.sha256, sha256);
      return [name, { sha256, bytes }] as const;
    }),
  );
  return Object.fromEntries(copied);
}
