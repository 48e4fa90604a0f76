import * as z from 'zod';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { SnapshotManifest } from '../../core/datasets/snapshot.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import type { TrainedVersion } from '../../core/registry/records.ts';
import { edgesOf, type LineageEvidence, sealLineage } from '../../core/registry/seal-lineage.ts';
import { Evaluation, rejectionReasons } from '../../core/training/evaluation.ts';
import { verdictKey } from '../../core/training/verdict.ts';
import { recordVerdict, type VerdictPlace } from '../training/record-verdict.ts';
import { artifactSources, contentAt, copyAll, documentAt, jobPrefix } from './candidate-objects.ts';
import type { RegisterVersionEvent } from './register-version.contract.ts';

export interface RegistrationPlace extends VerdictPlace {
  readonly definition: ModelDefinition;
  readonly registry: DynamodbRegistry;
  readonly trainerSha256: string;
  readonly trainingImage: string;
}
type Event = z.infer<typeof RegisterVersionEvent>;

export const AnyObject = z.record(z.string(), z.unknown());

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
  const sources = await artifactSources(place, model, job, { ...event, hasProfile: true });

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
