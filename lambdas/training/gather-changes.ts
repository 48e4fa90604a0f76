import type { z } from 'zod';
import { ObjectNotFoundError, type S3Objects } from '../../adapters/s3-objects.ts';
import { SnapshotManifest } from '../../core/datasets/snapshot.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import { type ModelDefinition, modelHash } from '../../core/model/define-model.ts';
import { InvalidDocumentError, parseDocument } from '../../core/parse-document.ts';
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
  'rows' | 'labelMean' | 'timeSpan' | 'spec' | 'hyperparameters'
> & { readonly manifestKey: string };

/** A document that explains and decides nothing: where it is gone or of an older form, it is not known. */
async function known<Schema extends z.ZodType>(
  objects: S3Objects,
  key: string,
  schema: Schema,
): Promise<z.infer<Schema> | undefined> {
  try {
    return parseDocument(schema, await objects.getJson(key), key);
  } catch (error) {
    if (error instanceof ObjectNotFoundError || error instanceof InvalidDocumentError) return;
    throw error;
  }
}

async function trainedOn(
  { artifacts, data }: ChangesPlace,
  { artifactsPrefix, lineage }: ModelVersion,
): Promise<TrainedOn> {
  const [manifest, metrics, spec] = await Promise.all([
    known(data, lineage.data.manifestKey, SnapshotManifest),
    known(artifacts, `${artifactsPrefix}metrics.json`, VersionMetrics),
    known(artifacts, `${artifactsPrefix}features.json`, FeatureSpec),
  ]);
  return {
    manifest,
    spec,
    rows: lineage.data.rows,
    labelMean: metrics?.baseline.prediction,
    timeSpan: metrics?.timeSpan,
    modelHash: lineage.code.modelHash,
    trainerSha256: lineage.code.trainerSha256,
    trainingImage: lineage.environment.trainingImage,
    hyperparameters: lineage.hyperparameters.values,
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
    manifest: await known(data, manifestKey, SnapshotManifest),
    modelHash: modelHash(definition),
    trainerSha256,
    trainingImage,
  };
  const columns = Object.entries(definition.data.columns);
  const sensitive = new Set(columns.filter(([, column]) => column.sensitive).map(([name]) => name));
  return changesBetween(live.version, await trainedOn(place, live), now, sensitive);
}
