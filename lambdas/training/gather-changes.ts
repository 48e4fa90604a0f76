import { knownDocument } from '../../adapters/s3-known-document.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { SnapshotManifest } from '../../core/datasets/snapshot.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import { type ModelDefinition, modelHash } from '../../core/model/define-model.ts';
import type { ModelVersion } from '../../core/registry/records.ts';
import { VersionMetrics } from '../../core/registry/version-metrics.ts';
import { type Changes, changesBetween, type TrainedOn } from '../../core/training/data-changes.ts';

export interface ChangesPlace {
  readonly definition: ModelDefinition;
  readonly data: S3Objects;
  readonly artifacts: S3Objects;
  readonly trainerSha256: string;
  readonly trainingImage: string;
}

/** What can be told of the candidate by the step that evaluates it. */
export type CandidateFacts = Pick<
  TrainedOn,
  'labelMean' | 'timeSpan' | 'spec' | 'hyperparameters'
> & { readonly rows: NonNullable<TrainedOn['rows']> } & { readonly manifestKey: string };

/** What an imported version was trained on and with is not known, whatever it was evaluated on. */
async function trainedOn(
  { artifacts, data }: ChangesPlace,
  version: ModelVersion,
): Promise<TrainedOn> {
  const { artifactsPrefix } = version;
  const lineage = version.origin === 'trained' ? version.lineage : undefined;
  const [manifest, metrics, spec] = await Promise.all([
    lineage && knownDocument(data, lineage.data.manifestKey, SnapshotManifest),
    knownDocument(artifacts, `${artifactsPrefix}metrics.json`, VersionMetrics),
    knownDocument(artifacts, `${artifactsPrefix}features.json`, FeatureSpec),
  ]);
  return {
    manifest,
    spec,
    rows: lineage?.data.rows,
    labelMean: (lineage && metrics?.baseline.prediction) ?? undefined,
    timeSpan: lineage && metrics?.timeSpan,
    modelHash:
      version.origin === 'trained' ? version.lineage.code.modelHash : version.imported.modelHash,
    trainerSha256: lineage?.code.trainerSha256,
    trainingImage: lineage?.environment.trainingImage,
    hyperparameters: lineage?.hyperparameters.values ?? {},
  };
}

/** What is different between the live version's lineage and the candidate. */
export async function gatherChanges(
  place: ChangesPlace,
  live: ModelVersion,
  { manifestKey, ...facts }: CandidateFacts,
): Promise<Changes> {
  const { data, definition, trainerSha256, trainingImage } = place;
  const now: TrainedOn = {
    ...facts,
    manifest: await knownDocument(data, manifestKey, SnapshotManifest),
    modelHash: modelHash(definition),
    trainerSha256,
    trainingImage,
  };
  const columns = Object.entries(definition.data.columns);
  const sensitive = new Set(columns.filter(([, column]) => column.sensitive).map(([name]) => name));
  return changesBetween(live.version, await trainedOn(place, live), now, sensitive);
}
