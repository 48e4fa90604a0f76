import { computeFeatures } from '../features/compute-features.ts';
import type { FeatureSpec } from '../features/feature-spec.ts';
import type { CacheOutcome } from './cache/cached-rows.ts';
import type { SharedOutcome } from './cache/careful-cache.ts';
import type { PredictionCache } from './cache/prediction-cache.ts';
import { predictionKeys } from './cache/prediction-keys.ts';
import type { Instances } from './instances.ts';
import { InvalidRequestError } from './invalid-request-error.ts';
import { predictionIds, sortableId } from './log/prediction-id.ts';
import type {
  PredictionPurpose,
  PredictionRecord,
  PredictionVariant,
} from './log/prediction-record.ts';
import { type AnsweredInstances, recordLines, recordsOf } from './log/prediction-records.ts';
import { inputRows, modelInput } from './model-input.ts';
import type {
  LoadedVersion,
  ModelInput,
  ModelOutput,
  RunLimits,
} from './versions/loaded-version.ts';

/** A version gave something that is no prediction: a fault of the model, not of its caller. */
export class PredictionFaultError extends Error {
  override readonly name = 'PredictionFaultError';
}

/** Rows of one request, or of whatever else asks: a batch, a stream. */
export interface RowsRequest {
  readonly instances: Instances;
  readonly requestId: string;
  readonly purpose?: PredictionPurpose | undefined;
  /** Why this version answers; absent where it was asked for by its number. */
  readonly variant?: PredictionVariant | undefined;
  /** Milliseconds of Date.now(): an answer later than this is of no use. */
  readonly deadlineAt?: number | undefined;
  /** One per row, where they must be the same whenever the rows are asked for again. @default new ones */
  readonly ids?: readonly string[] | undefined;
  /** Milliseconds of performance.now() when the request was there. @default now */
  readonly receivedAt?: number | undefined;
}

/** The answers to one request. */
export interface Prediction extends ModelOutput {
  readonly version: LoadedVersion;
  /** One per row. */
  readonly ids: readonly string[];
  readonly requestId: string;
  readonly purpose?: PredictionPurpose | undefined;
  readonly variant?: PredictionVariant | undefined;
  /** Milliseconds of performance.now(). */
  readonly receivedAt: number;
  /** From the parsed request to the finished predictions. */
  readonly latencyMs: number;
  /** Where each row's prediction came from; absent without a cache. */
  readonly cache?: readonly CacheOutcome[] | undefined;
  /** What became of the question to the shared cache; absent where it was not asked. */
  readonly sharedCache?: SharedOutcome | undefined;
  /** Settles, within the cache's budget, when new predictions are kept: before a function stands still. */
  readonly kept: Promise<void>;
  /** One per row, for the prediction log: made when they are first asked for. */
  records(): readonly PredictionRecord[];
  /** The same as lines of JSON, written without the records. @param sampleRate the share of the requests that is kept */
  lines(sampleRate?: number): readonly string[];
}

/** A raw number may be finite and yet too large for the model's 32 bits. */
function checkRange(features: Float32Array, spec: FeatureSpec, instances: Instances): void {
  for (let at = 0; at < features.length; at += 1) {
    const value = features[at];
    if (value !== Infinity && value !== -Infinity) continue;
    const width = spec.features.length;
    const row = Math.floor(at / width);
    const column = spec.features[at % width]?.column ?? '';
    const place = instances.place?.(row, column) ?? `instances[${row}].${column}`;
    throw new InvalidRequestError([
      `${place}: send a number within the range of 32-bit floating point, ±3.4e38`,
    ]);
  }
}

/** @throws PredictionFaultError */
export function checkPredictions(
  predictions: Float32Array,
  rows: number,
  version: LoadedVersion,
): void {
  const what = `version ${version.version} of ${version.model}`;
  if (predictions.length !== rows) {
    throw new PredictionFaultError(
      `${what} gave ${predictions.length} predictions for ${rows} rows`,
    );
  }
  for (let row = 0; row < rows; row += 1) {
    const value = predictions[row] as number;
    if (Number.isFinite(value)) continue;
    throw new PredictionFaultError(`${what} gave ${value} for row ${row}`);
  }
}

async function run(
  version: LoadedVersion,
  input: ModelInput,
  limits: RunLimits,
): Promise<ModelOutput> {
  const output = await version.session.run(input, limits);
  checkPredictions(output.predictions, input.rows, version);
  return output;
}

interface Answers extends ModelOutput {
  /** One per row. */
  readonly cache?: readonly CacheOutcome[];
  readonly sharedCache?: SharedOutcome | undefined;
  readonly kept: Promise<void>;
}

/** Runs the graph over the rows that no cache knows and nobody else is computing, each of them once. */
async function answersThrough(
  cache: PredictionCache,
  version: LoadedVersion,
  input: ModelInput,
  limits: RunLimits,
): Promise<Answers> {
  const { predictions, outcomes, shared, kept } = await cache.answer({
    keys: () => predictionKeys(version.identity, version.spec, input),
    compute: (rows) => run(version, inputRows(input, rows), limits),
    deadlineAt: limits.deadlineAt,
  });
  return { predictions, cache: outcomes, sharedCache: shared, kept };
}

/** A model without a cache says nothing of one. */
type MaybeCached = ModelOutput & Partial<Answers>;

const settled = Promise.resolve();

/** A prediction whose records are made once, and only where somebody asks for them. */
class AnsweredRows implements Prediction {
  readonly version: LoadedVersion;
  readonly predictions: Float32Array;
  readonly ids: readonly string[];
  readonly requestId: string;
  readonly receivedAt: number;
  readonly latencyMs: number;
  readonly kept: Promise<void>;
  readonly details: ModelOutput['details'];
  readonly purpose: RowsRequest['purpose'];
  readonly variant: RowsRequest['variant'];
  readonly cache: Prediction['cache'];
  readonly sharedCache: Prediction['sharedCache'];
  readonly #logged: AnsweredInstances;
  #records: readonly PredictionRecord[] | undefined;

  constructor(
    version: LoadedVersion,
    request: RowsRequest,
    answered: {
      readonly startedAt: number;
      readonly answers: MaybeCached;
      readonly logged: AnsweredInstances;
    },
  ) {
    const { answers, logged, startedAt } = answered;
    this.version = version;
    this.predictions = answers.predictions;
    this.details = answers.details;
    this.cache = answers.cache;
    this.sharedCache = answers.sharedCache;
    this.kept = answers.kept ?? settled;
    this.ids = request.ids ?? predictionIds(version, sortableId(logged.at), request.instances.rows);
    this.requestId = request.requestId;
    this.purpose = request.purpose;
    this.variant = request.variant;
    this.receivedAt = request.receivedAt ?? startedAt;
    this.latencyMs = Math.round((performance.now() - startedAt) * 1000) / 1000;
    this.#logged = logged;
  }

  lines(sampleRate?: number): readonly string[] {
    return recordLines(this, this.#logged, sampleRate);
  }

  records(): readonly PredictionRecord[] {
    this.#records ??= recordsOf(this, this.#logged);
    return this.#records;
  }
}

/**
 * Answers rows with one version: features, one run over all rows that are not cached, ids. Every door
 * comes here, so that equal rows get equal numbers wherever they are sent.
 * @throws InvalidRequestError where a number is too large for the model.
 * @throws PredictionFaultError where the model gives no number.
 */
export async function predictRows(
  version: LoadedVersion,
  request: RowsRequest,
  cache?: PredictionCache,
): Promise<Prediction> {
  const { instances, deadlineAt } = request;
  const { spec } = version;
  const startedAt = performance.now();
  const at = Date.now();
  const features = instances.features ?? computeFeatures(spec, instances);
  checkRange(features, spec, instances);
  const { rows } = instances;
  // What the features of a model are for is not always its input: they are watched too.
  const input: ModelInput =
    spec.input === 'features' ? { kind: 'features', rows, features } : modelInput(spec, instances);
  // A cache keeps numbers: a container may say more of a row.
  const answers: MaybeCached =
    cache?.pays && version.signature.runtime === 'onnx'
      ? await answersThrough(cache, version, input, { deadlineAt })
      : await version.session.run(input, { deadlineAt });
  checkPredictions(answers.predictions, rows, version);
  const logged = { instances, features, at };
  return new AnsweredRows(version, request, { startedAt, answers, logged });
}
