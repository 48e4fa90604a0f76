import type * as z from 'zod';
import { SnapshotManifest } from '../../core/datasets/snapshot.ts';
import type { ImportedVersion } from '../../core/registry/records.ts';
import { type ImportEvidence, sealImport } from '../../core/registry/seal-import.ts';
import { edgesOf } from '../../core/registry/seal-lineage.ts';
import { Evaluation, rejectionReasons } from '../../core/training/evaluation.ts';
import { verdictKey } from '../../core/training/verdict.ts';
import { recordVerdict } from '../training/record-verdict.ts';
import { artifactSources, contentAt, copyAll, documentAt, jobPrefix } from './candidate-objects.ts';
import type { RegisterImportEvent } from './register-import.contract.ts';
import { AnyObject, type RegistrationPlace } from './register-version.ts';

type Event = z.infer<typeof RegisterImportEvent>;

/** The snapshot that it was evaluated on; undefined where nothing had been dropped. */
async function evaluatedOn(
  { data }: RegistrationPlace,
  { features, snapshot }: Event,
): Promise<ImportEvidence['evaluatedOn']> {
  const { rows, specHash: featureSpecHash } = features;
  if (snapshot.outcome === 'empty' || !rows) return undefined;
  const { manifestKey, snapshotId } = snapshot;
  const manifest = await documentAt(data, manifestKey, SnapshotManifest);
  return { snapshotId, manifestKey, featureSpecHash, rows, manifest };
}

async function gather(
  place: RegistrationPlace,
  event: Event,
  job: string,
): Promise<ImportEvidence> {
  const { artifacts, definition, trainerSha256, trainingImage } = place;
  const [file, evaluation, trainerMetrics, environment, data] = await Promise.all([
    contentAt(artifacts, event.import.key),
    documentAt(artifacts, event.evaluation.evaluationKey, Evaluation),
    documentAt(artifacts, `${job}metrics.json`, AnyObject),
    contentAt(artifacts, `${job}environment.json`),
    evaluatedOn(place, event),
  ]);
  return {
    ...{ definition, trainerSha256, trainingImage, evaluation, trainerMetrics },
    runId: event.runId,
    trainingId: event.plan.trainingId,
    file: event.import,
    fileSha256: file?.sha256,
    environmentSha256: environment?.sha256,
    evaluatedOn: data,
  };
}

/**
 * Makes an imported candidate a version, as registerVersion does with a trained one: what was seen of it is
 * sealed, and what was said of it stays a statement. The same file is always the same version.
 * @throws LineageIncompleteError when something that should have been seen was not.
 * @throws ArtifactCorruptedError when an object is not the same after copying.
 */
export async function registerImport(place: RegistrationPlace, event: Event): Promise<number> {
  const { artifacts, definition, registry } = place;
  const { name: model } = definition;
  const { evaluation, features, plan, runId, train } = event;
  const { trainingId } = plan;
  const known = await registry.findTraining(model, trainingId);
  if (known?.outcome === 'registered') return known.version;

  const job = jobPrefix(artifacts.bucket, train.ModelArtifacts, model);
  const evidence = await gather(place, event, job);
  const { metrics, ...sealed } = sealImport(evidence);
  const endpointName = event.deployment?.endpointName;
  const hasProfile = evidence.evaluatedOn !== undefined;
  const sources = await artifactSources(place, model, job, {
    ...{ ...features, endpointName, hasProfile },
  });

  const { version, registered } = await registry.reserveVersion(model, trainingId);
  if (registered) return version;
  const artifactsPrefix = `models/${model}/${version}/`;
  const copied = await copyAll(artifacts, sources, artifactsPrefix);
  const written = await artifacts.putJson(`${artifactsPrefix}metrics.json`, metrics);
  const { evaluationKey } = evaluation;
  await recordVerdict(place, { model, runId, trainingId, evaluationKey, version });
  const record: ImportedVersion = {
    ...{ model, version, trainingId, runId, artifactsPrefix },
    trainingJobName: train.TrainingJobName,
    origin: 'imported',
    artifacts: { ...copied, 'metrics.json': written },
    ...(endpointName !== undefined && { endpointName }),
    ...sealed,
    gate: {
      outcome: evidence.evaluation?.outcome ?? 'rejected',
      verdictKey: verdictKey(model, runId),
    },
    registeredAt: place.now(),
  };
  const rejection = evidence.evaluation ? rejectionReasons(evidence.evaluation) : [];
  await registry.registerVersion(record, edgesOf(record), rejection);
  return version;
}
