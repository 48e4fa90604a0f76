import { join } from 'node:path';
import type { z } from 'zod';
import { type DuckdbDatabase, withDuckdb } from '../../adapters/duckdb-database.ts';
import {
  type FeatureBatch,
  featureBatches,
  meanLabel,
} from '../../adapters/duckdb-feature-table.ts';
import { createOnnxSession } from '../../adapters/onnx-session.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import type { ModelSession } from '../../core/inference/loaded-version.ts';
import { ParitySample, parityFeatures } from '../../core/inference/parity-sample.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { type ReferenceProfile, TrainingProfile } from '../../core/monitoring/profile.ts';
import { profilePredictions } from '../../core/monitoring/profile-predictions.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { evaluate, rejectionReasons } from '../../core/training/evaluation.ts';
import type {
  EvaluateCandidateEvent,
  EvaluateCandidateResult,
} from './evaluate-candidate.contract.ts';

/** What the pipeline handed over cannot be evaluated at all; the run fails. */
export class UnusableCandidateError extends Error {
  override readonly name = 'UnusableCandidateError';
}

export interface EvaluationPlace {
  readonly definition: ModelDefinition;
  readonly data: S3Objects;
  readonly artifacts: S3Objects;
}

/** The key prefix, ending in a slash, of an S3 URI that must lie in the bucket. */
function prefixIn(bucket: string, uri: string): string {
  const start = `s3://${bucket}/`;
  if (!uri.startsWith(start)) {
    throw new UnusableCandidateError(`${uri} does not lie in ${start}; pass a URI of that bucket`);
  }
  return `${uri.slice(start.length).replace(/\/+$/, '')}/`;
}

/** Downloads tables to where the database can read them. */
const downloadTables = (
  data: S3Objects,
  database: DuckdbDatabase,
  role: 'holdout' | 'train',
  keys: readonly string[],
): Promise<string[]> =>
  Promise.all(
    keys.map(async (key, index) => {
      const path = join(database.folder, `${role}-${index}.parquet`);
      await data.download(key, undefined, path);
      return path;
    }),
  );

async function trainLabelMean(
  data: S3Objects,
  database: DuckdbDatabase,
  trainUri: string,
): Promise<number> {
  const objects = await data.list(prefixIn(data.bucket, trainUri));
  const keys = objects.map(({ key }) => key).filter((key) => key.endsWith('.parquet'));
  if (keys.length === 0) throw new UnusableCandidateError(`${trainUri} has no Parquet file`);
  return meanLabel(database, await downloadTables(data, database, 'train', keys));
}

interface Scored {
  readonly labels: readonly number[];
  readonly predictions: readonly number[];
}

/** Runs the model on the holdout, a batch at a time. */
async function score(session: ModelSession, batches: AsyncIterable<FeatureBatch>): Promise<Scored> {
  const labels: number[] = [];
  const predictions: number[] = [];
  for await (const batch of batches) {
    const found = await session.run(batch.features, batch.rows);
    if (found.length !== batch.rows) {
      throw new UnusableCandidateError(
        `the model gave ${found.length} predictions for ${batch.rows} rows; export one per row`,
      );
    }
    labels.push(...batch.labels);
    predictions.push(...found);
  }
  return { labels, predictions };
}

/**
 * Runs a candidate on its parity sample and on the holdout and writes evaluation.json and profile.json
 * beside it.
 * That it is rejected is a result.
 * @throws UnusableCandidateError, UnfitGraphError, InvalidDocumentError when it cannot be run.
 */
export async function evaluateCandidate(
  place: EvaluationPlace,
  event: z.infer<typeof EvaluateCandidateEvent>,
): Promise<z.infer<typeof EvaluateCandidateResult>> {
  const { definition, data, artifacts } = place;
  const prefix = prefixIn(artifacts.bucket, event.modelArtifacts);
  const spec = parseDocument(FeatureSpec, await data.getJson(event.featuresKey), event.featuresKey);
  const parityKey = `${prefix}parity.json`;
  const paritySample = parseDocument(ParitySample, await artifacts.getJson(parityKey), parityKey);
  const onnx = await artifacts.get(`${prefix}model.onnx`);
  const session = await createOnnxSession(onnx, spec.features.length);
  try {
    const [parityRows] = paritySample.input.shape;
    const parityPredictions = await session.run(parityFeatures(paritySample), parityRows);
    const { evaluation, prediction } = await withDuckdb(async (database) => {
      const holdout = await downloadTables(data, database, 'holdout', [event.holdoutKey]);
      const names = spec.features.map(({ name }) => name);
      const scored = await score(session, featureBatches(database, holdout, names));
      const answers = {
        ...scored,
        paritySample,
        parityPredictions,
        trainLabelMean: await trainLabelMean(data, database, event.trainUri),
      };
      return {
        evaluation: evaluate(definition.evaluation, answers),
        prediction: profilePredictions(scored.predictions),
      };
    });
    const training = await data.getJson(event.profileKey);
    const profile: ReferenceProfile = {
      ...parseDocument(TrainingProfile, training, event.profileKey),
      prediction,
    };
    await artifacts.putJson(`${prefix}profile.json`, profile);
    const evaluationKey = `${prefix}evaluation.json`;
    await artifacts.putJson(evaluationKey, evaluation);
    return { outcome: evaluation.outcome, reasons: rejectionReasons(evaluation), evaluationKey };
  } finally {
    await session.release();
  }
}
