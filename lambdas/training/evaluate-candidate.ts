import { join } from 'node:path';
import * as z from 'zod';
import { type DuckdbDatabase, withDuckdb } from '../../adapters/duckdb-database.ts';
import { type InputBatch, inputBatches, meanLabel } from '../../adapters/duckdb-feature-table.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { BuiltFeatures } from '../../core/features/built-features.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import {
  ParitySample,
  parityInput,
  unfitSample,
} from '../../core/inference/parity/parity-sample.ts';
import { Signature } from '../../core/inference/signature.ts';
import type { ModelSession } from '../../core/inference/versions/loaded-version.ts';
import { type ReferenceProfile, TrainingProfile } from '../../core/monitoring/profile.ts';
import { profilePredictions } from '../../core/monitoring/profile-predictions.ts';
import { parseDocument } from '../../core/parse-document.ts';
import {
  type Evaluation,
  evaluate,
  isMeasured,
  rejectionReasons,
} from '../../core/training/evaluation.ts';
import type { ParityAnswers } from '../../core/training/gate-rules.ts';
import { ModelKind } from '../../core/training/gate-rules.ts';
import {
  answerAsProduction,
  type LiveVersion,
  loadLiveVersion,
  type ProductionPlace,
} from './answer-as-production.ts';
import type {
  EvaluateCandidateEvent,
  EvaluateCandidateResult,
} from './evaluate-candidate.contract.ts';
import { type ChangesPlace, gatherChanges } from './gather-changes.ts';
import { prefixIn, UnusableCandidateError } from './unusable-candidate.ts';

export type EvaluationPlace = ProductionPlace & ChangesPlace;
type Event = z.infer<typeof EvaluateCandidateEvent>;

/** Where a candidate's files lie, and what it takes. */
interface Candidate {
  readonly prefix: string;
  readonly spec: FeatureSpec;
}

/** Downloads tables to where the database can read them. */
const downloadTables = (
  data: S3Objects,
  database: DuckdbDatabase,
  role: 'holdout' | 'rows' | 'train',
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
async function score(session: ModelSession, batches: AsyncIterable<InputBatch>): Promise<Scored> {
  const labels: number[] = [];
  const predictions: number[] = [];
  for await (const batch of batches) {
    const { rows } = batch.input;
    const { predictions: found } = await session.run(batch.input);
    if (found.length !== rows) {
      throw new UnusableCandidateError(
        `the model gave ${found.length} predictions for ${rows} rows; export one per row`,
      );
    }
    labels.push(...batch.labels);
    predictions.push(...found);
  }
  return { labels, predictions };
}

/** What only the holdout's tables tell: they are on disk no longer than this takes. */
function answersOf(
  place: EvaluationPlace,
  event: Event,
  session: ModelSession,
  spec: FeatureSpec,
  live: LiveVersion | undefined,
) {
  const { data, definition } = place;
  return withDuckdb(async (database) => {
    const holdout = await downloadTables(data, database, 'holdout', [event.holdoutKey]);
    const scored = await score(session, inputBatches(database, holdout, spec));
    const [rows = ''] = await downloadTables(data, database, 'rows', [event.holdoutRowsKey]);
    const found = await answerAsProduction(database, rows, definition, live);
    const { production } = found;
    if (
      production.outcome === 'answered' &&
      production.predictions.length !== scored.labels.length
    ) {
      throw new UnusableCandidateError(
        `${event.holdoutRowsKey} has ${production.predictions.length} rows and ${event.holdoutKey} has ${scored.labels.length}; remove ${event.builtKey} and retry from BuildFeatures`,
      );
    }
    return {
      ...scored,
      ...found,
      trainLabelMean: await trainLabelMean(data, database, event.trainUri),
    };
  });
}

/** What is known beside the metrics: when the rows are of, and what changed since the live version. */
async function context(
  place: EvaluationPlace,
  event: Event,
  live: LiveVersion | undefined,
  facts: { readonly spec: FeatureSpec; readonly labelMean: number },
): Promise<Pick<Evaluation, 'timeSpan' | 'changes'>> {
  const { data, definition, registry } = place;
  const document = await data.getJson(event.builtKey);
  const { rows, timeSpan } = parseDocument(BuiltFeatures, document, event.builtKey);
  if (!live) return { ...(timeSpan && { timeSpan }) };
  const record = await registry.getVersion(definition.name, live.number);
  const { hyperparameters, manifestKey } = event;
  const candidate = { ...facts, rows, timeSpan, hyperparameters, manifestKey };
  const changes = await gatherChanges(place, record, candidate);
  return { ...(timeSpan && { timeSpan }), changes };
}

const TrainerMetrics = z.object({ kind: ModelKind.optional() });

/** What the trainer says the model is: of stock trainers that say nothing, trees. */
async function kindOf(artifacts: S3Objects, prefix: string): Promise<ModelKind> {
  const key = `${prefix}metrics.json`;
  if (!(await artifacts.find(key))) return 'trees';
  return parseDocument(TrainerMetrics, await artifacts.getJson(key), key).kind ?? 'trees';
}

/** What a candidate gives for the rows of its trainer's sample. */
export async function parityAnswers(
  { artifacts }: Pick<EvaluationPlace, 'artifacts'>,
  { endpointName }: Pick<Event, 'endpointName'>,
  session: ModelSession,
  { prefix, spec }: Candidate,
): Promise<ParityAnswers> {
  const parityKey = `${prefix}parity.json`;
  const paritySample = parseDocument(ParitySample, await artifacts.getJson(parityKey), parityKey);
  const unfit = unfitSample(spec, paritySample);
  if (unfit !== undefined) {
    throw new UnusableCandidateError(
      `${parityKey} has ${unfit}, which is not what features.json says the model takes; train again`,
    );
  }
  const { predictions: parityPredictions } = await session.run(parityInput(spec, paritySample));
  const kind = await kindOf(artifacts, prefix);
  const runtime = endpointName === undefined ? 'onnx' : 'container';
  return { paritySample, parityPredictions, kind, runtime };
}

async function evaluated(
  place: EvaluationPlace,
  event: Event,
  session: ModelSession,
  candidate: Candidate,
) {
  const { definition } = place;
  const { spec } = candidate;
  const sample = await parityAnswers(place, event, session, candidate);
  const live = await loadLiveVersion(place);
  try {
    const answers = await answersOf(place, event, session, spec, live);
    const { measurement, trainingId: seed } = event;
    const found = evaluate(definition.evaluation, { ...answers, ...sample, measurement, seed });
    const facts = { spec, labelMean: answers.trainLabelMean };
    const evaluation: Evaluation = { ...found, ...(await context(place, event, live, facts)) };
    return { evaluation, prediction: profilePredictions(answers.predictions) };
  } finally {
    if (live && 'loaded' in live) await live.loaded.session.release();
  }
}

/** What computes a candidate's answers. */
export async function candidateSession(
  { artifacts, data }: EvaluationPlace,
  { endpointName, signatureKey }: Pick<Event, 'endpointName' | 'signatureKey'>,
  { prefix, spec }: Candidate,
): Promise<ModelSession> {
  const signature = parseDocument(Signature, await data.getJson(signatureKey), signatureKey);
  if (endpointName !== undefined) {
    return createModelSession({ runtime: 'container', endpointName, spec, signature });
  }
  const onnx = await artifacts.get(`${prefix}model.onnx`);
  return createModelSession({ runtime: 'onnx', onnx, spec, signature });
}

/**
 * Runs a candidate on its parity sample and on the holdout, has the live version answer the same rows, and
 * writes evaluation.json and profile.json beside the candidate.
 * That it is rejected is a result.
 * @throws UnusableCandidateError, UnfitGraphError, InvalidDocumentError when it cannot be run.
 */
export async function evaluateCandidate(
  place: EvaluationPlace,
  event: Event,
): Promise<z.infer<typeof EvaluateCandidateResult>> {
  const { artifacts, data } = place;
  const prefix = prefixIn(artifacts.bucket, event.modelArtifacts);
  const spec = parseDocument(FeatureSpec, await data.getJson(event.featuresKey), event.featuresKey);
  const session = await candidateSession(place, event, { prefix, spec });
  try {
    const { evaluation, prediction } = await evaluated(place, event, session, { prefix, spec });
    const training = await data.getJson(event.profileKey);
    const profile: ReferenceProfile = {
      ...parseDocument(TrainingProfile, training, event.profileKey),
      prediction,
    };
    await artifacts.putJson(`${prefix}profile.json`, profile);
    const evaluationKey = `${prefix}evaluation.json`;
    await artifacts.putJson(evaluationKey, evaluation);
    return {
      outcome: evaluation.outcome,
      measured: isMeasured(evaluation),
      reasons: rejectionReasons(evaluation),
      evaluationKey,
    };
  } finally {
    await session.release();
  }
}
