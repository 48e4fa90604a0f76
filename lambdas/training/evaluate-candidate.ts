import { join } from 'node:path';
import type { z } from 'zod';
import { forEachFeatureBatch, meanLabel } from '../../adapters/duckdb-feature-table.ts';
import { createOnnxSession } from '../../adapters/onnx-session.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import type { ModelSession } from '../../core/inference/loaded-version.ts';
import { ParitySample, parityFeatures } from '../../core/inference/parity-sample.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
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
  /** A local folder for the tables, removed by the caller. */
  readonly folder: string;
}

/** The key prefix, ending in a slash, of an S3 URI that must lie in the bucket. */
function prefixIn(bucket: string, uri: string): string {
  const start = `s3://${bucket}/`;
  if (!uri.startsWith(start)) {
    throw new UnusableCandidateError(`${uri} does not lie in ${start}; pass a URI of that bucket`);
  }
  return `${uri.slice(start.length).replace(/\/+$/, '')}/`;
}

async function downloadTables(
  { data, folder }: EvaluationPlace,
  role: 'holdout' | 'train',
  keys: readonly string[],
): Promise<string[]> {
  return Promise.all(
    keys.map(async (key, index) => {
      const path = join(folder, `${role}-${index}.parquet`);
      await data.download(key, undefined, path);
      return path;
    }),
  );
}

async function trainLabelMean(place: EvaluationPlace, trainUri: string): Promise<number> {
  const { data } = place;
  const prefix = prefixIn(data.bucket, trainUri);
  const keys = (await data.list(prefix))
    .map(({ key }) => key)
    .filter((key) => key.endsWith('.parquet'));
  if (keys.length === 0) throw new UnusableCandidateError(`${trainUri} has no Parquet file`);
  return meanLabel(await downloadTables(place, 'train', keys));
}

interface Scored {
  readonly labels: Float64Array;
  readonly predictions: Float32Array;
}

async function score(session: ModelSession, spec: FeatureSpec, paths: string[]): Promise<Scored> {
  const labels: number[] = [];
  const predictions: number[] = [];
  const names = spec.features.map(({ name }) => name);
  await forEachFeatureBatch(paths, names, async (batch) => {
    const found = await session.run(batch.features, batch.rows);
    for (const label of batch.labels) labels.push(label);
    for (const prediction of found) predictions.push(prediction);
  });
  if (labels.length !== predictions.length) {
    throw new UnusableCandidateError(
      `the model gave ${predictions.length} predictions for ${labels.length} rows; export one per row`,
    );
  }
  return { labels: Float64Array.from(labels), predictions: Float32Array.from(predictions) };
}

/**
 * Runs a candidate on its parity sample and on the holdout and writes evaluation.json beside it.
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
  const paritySample = parseDocument(
    ParitySample,
    await artifacts.getJson(`${prefix}parity.json`),
    `${prefix}parity.json`,
  );
  const onnx = await artifacts.get(`${prefix}model.onnx`);
  const session = await createOnnxSession(onnx, spec.features.length);
  try {
    const [parityRows] = paritySample.input.shape;
    const parityPredictions = await session.run(parityFeatures(paritySample), parityRows);
    const holdout = await downloadTables(place, 'holdout', [event.holdoutKey]);
    const scored = await score(session, spec, holdout);
    const evaluation = evaluate(definition.evaluation, {
      ...scored,
      paritySample,
      parityPredictions,
      trainLabelMean: await trainLabelMean(place, event.trainUri),
    });
    const evaluationKey = `${prefix}evaluation.json`;
    await artifacts.putJson(evaluationKey, evaluation);
    return { outcome: evaluation.outcome, reasons: rejectionReasons(evaluation), evaluationKey };
  } finally {
    await session.release();
  }
}
