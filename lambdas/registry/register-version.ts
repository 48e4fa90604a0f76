import { z } from 'zod';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { keyPrefix } from '../../adapters/s3-uri.ts';
import { SnapshotManifest } from '../../core/datasets/snapshot.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import { Signature } from '../../core/inference/signature.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { ArtifactCorruptedError, LineageIncompleteError } from '../../core/registry/errors.ts';
import type { ModelVersion, TrainedVersion } from '../../core/registry/records.ts';
import { edgesOf, type LineageEvidence, sealLineage } from '../../core/registry/seal-lineage.ts';
import { Evaluation, rejectionReasons } from '../../core/training/evaluation.ts';
import { verdictKey } from '../../core/training/verdict.ts';
import { recordVerdict, type VerdictPlace } from '../training/record-verdict.ts';
import type { RegisterVersionEvent } from './register-version.contract.ts';

export interface RegistrationPlace extends VerdictPlace {
  readonly definition: ModelDefinition;
  readonly registry: DynamodbRegistry;
  readonly trainerSha256: string;
  readonly trainingImage: string;
}
type Event = z.infer<typeof RegisterVersionEvent>;
type Content = ModelVersion['artifacts'][string];

const AnyObject = z.record(z.string(), z.unknown());

/**
 * Makes a candidate a version, whatever the gate said of it: seals its lineage, sets a number aside, copies
 * its objects under that number, writes the verdict, then everything at once. It can be repeated at any
 * point; the same training is always the same version.
 * @throws LineageIncompleteError when one of the five answers is missing.
 * @throws ArtifactCorruptedError when an object is not the same after copying.
 */
export async function registerVersion(place: RegistrationPlace, event: Event): Promise<number> {
  const { artifacts, definition, registry } = place;
  const { name: model } = definition;
  const known = await registry.findTraining(model, event.trainingId);
  if (known?.outcome === 'registered') return known.version;

  const job = jobPrefix(artifacts.bucket, event.modelArtifacts, model);
  const evidence = await gather(place, event, job);
  const { lineage, metrics } = sealLineage(evidence);
  const sources = await artifactSources(place, event, job);

  const { version, registered } = await registry.reserveVersion(model, event.trainingId);
  if (registered) return version;
  const artifactsPrefix = `models/${model}/${version}/`;
  const copied = await copyAll(artifacts, sources, artifactsPrefix);
  const written = await artifacts.putJson(`${artifactsPrefix}metrics.json`, metrics);
  const { evaluationKey, runId, trainingId } = event;
  await recordVerdict(place, { model, runId, trainingId, evaluationKey, version });
  const outcome = evidence.evaluation?.outcome ?? 'rejected';
  const record: TrainedVersion = {
    model,
    version,
    trainingId,
    runId,
    trainingJobName: event.trainingJobName,
    origin: 'trained',
    artifactsPrefix,
    artifacts: { ...copied, 'metrics.json': written },
    ...(event.endpointName !== undefined && { endpointName: event.endpointName }),
    lineage,
    gate: { outcome, verdictKey: verdictKey(model, runId) },
    registeredAt: place.now(),
  };
  const rejection = evidence.evaluation ? rejectionReasons(evidence.evaluation) : [];
  await registry.registerVersion(record, edgesOf(record), rejection);
  return version;
}

/** The key prefix of a job's model, ending in a slash; SageMaker reports it as a URI. */
function jobPrefix(bucket: string, uri: string, model: string): string {
  const prefix = keyPrefix(bucket, uri);
  if (prefix !== undefined) return prefix;
  throw new LineageIncompleteError(model, [`artifacts: ${uri} does not lie in s3://${bucket}/`]);
}

/** A document in a bucket; undefined where there is none. */
async function documentAt<Schema extends z.ZodType>(
  objects: S3Objects,
  key: string,
  schema: Schema,
): Promise<z.infer<Schema> | undefined> {
  if (!(await objects.find(key))) return undefined;
  return parseDocument(schema, await objects.getJson(key), key);
}

/** Hash and size of an object; undefined where there is none. */
async function contentAt(objects: S3Objects, key: string): Promise<Content | undefined> {
  return (await objects.find(key)) && objects.hash(key);
}

async function gather(
  { data, artifacts, definition, trainerSha256, trainingImage }: RegistrationPlace,
  event: Event,
  job: string,
): Promise<LineageEvidence> {
  const [manifest, spec, evaluation, trainerMetrics, environment] = await Promise.all([
    documentAt(data, event.manifestKey, SnapshotManifest),
    documentAt(data, event.featuresKey, FeatureSpec),
    documentAt(artifacts, event.evaluationKey, Evaluation),
    documentAt(artifacts, `${job}metrics.json`, AnyObject),
    contentAt(artifacts, `${job}environment.json`),
  ]);
  const { trainingId, snapshotId, manifestKey, specHash, rows, hyperparameters } = event;
  return {
    definition,
    trainingId,
    snapshotId,
    manifestKey,
    manifest,
    specHash,
    spec,
    rows,
    trainerSha256,
    trainingImage,
    hyperparameters,
    environmentSha256: environment?.sha256,
    evaluation,
    trainerMetrics,
  };
}

interface Source {
  readonly name: string;
  readonly from: S3Objects;
  readonly key: string;
  readonly content: Content;
}

/** What is copied into the version, with the hash that each had when the lineage was sealed. */
async function artifactSources(
  { data, artifacts, definition }: RegistrationPlace,
  event: Event,
  job: string,
): Promise<Source[]> {
  const modelFile = event.endpointName === undefined ? 'model.onnx' : 'model.tar.gz';
  const wanted = [
    { name: modelFile, from: artifacts, key: `${job}${modelFile}` },
    { name: 'parity.json', from: artifacts, key: `${job}parity.json` },
    { name: 'environment.json', from: artifacts, key: `${job}environment.json` },
    { name: 'profile.json', from: artifacts, key: `${job}profile.json` },
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
      definition.name,
      absent.map(({ name, key }) => `artifacts: there is no ${name} at ${key}`),
    );
  }
  parseDocument(Signature, await data.getJson(event.signatureKey), event.signatureKey);
  return hashed.flatMap(({ content, ...source }) => (content ? [{ ...source, content }] : []));
}

async function copyAll(
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
