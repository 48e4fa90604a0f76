import { computeFeatures } from '../features/compute-features.ts';
import type { FeatureSpec } from '../features/feature-spec.ts';
import type { RawValue } from '../features/raw-values.ts';
import { InvalidRequestError } from './invalid-request-error.ts';
import type { LoadedVersion, ModelInput, ModelOutput } from './loaded-version.ts';
import { inputRows, modelInput } from './model-input.ts';
import type { Instances } from './parse-instances.ts';
import type { CacheLookup, CacheOutcome, PredictionCache } from './prediction-cache.ts';
import { predictionIds, sortableId } from './prediction-id.ts';
import { predictionKeys } from './prediction-keys.ts';
import type {
  PredictionDetails,
  PredictionPurpose,
  PredictionRecord,
} from './prediction-record.ts';
import type { Signature } from './signature.ts';

/** A version gave something that is no prediction: a fault of the model, not of its caller. */
export class PredictionFaultError extends Error {
  override readonly name = 'PredictionFaultError';
}

export type PredictionWithDetails = PredictionDetails & { readonly prediction: number };

/** Body of a reply to `:predict`: the KServe V1 form, with an id per prediction and the version. */
export interface PredictReply {
  /** The number, or where the model says more of a row, an object with it under `prediction`. */
  readonly predictions: readonly (number | PredictionWithDetails)[];
  readonly prediction_ids: readonly string[];
  readonly model_name: string;
  readonly model_version: string;
}

export interface PredictRequest {
  readonly body: string;
  readonly requestId: string;
  readonly purpose?: PredictionPurpose | undefined;
}

export interface Prediction {
  readonly reply: PredictReply;
  /** One per row, for the prediction log. */
  readonly records: readonly PredictionRecord[];
  /** What became of the question to the shared cache; absent where it was not asked. */
  readonly sharedCache?: CacheLookup['shared'];
  /** Settles, within the cache's budget, when new predictions are kept: before a function stands still. */
  readonly kept: Promise<void>;
}

/** A raw number may be finite and yet too large for the model's 32 bits. */
function checkRange(features: Float32Array, spec: FeatureSpec): void {
  const at = features.findIndex((value) => value === Infinity || value === -Infinity);
  if (at === -1) return;
  const width = spec.features.length;
  const column = spec.features[at % width]?.column;
  throw new InvalidRequestError([
    `instances[${Math.floor(at / width)}].${column}: send a number within the range of 32-bit floating point, ±3.4e38`,
  ]);
}

function checkPredictions(predictions: Float32Array, rows: number, version: LoadedVersion): void {
  const what = `version ${version.version} of ${version.model}`;
  if (predictions.length !== rows) {
    throw new PredictionFaultError(
      `${what} gave ${predictions.length} predictions for ${rows} rows`,
    );
  }
  const at = predictions.findIndex((value) => !Number.isFinite(value));
  if (at !== -1) throw new PredictionFaultError(`${what} gave ${predictions[at]} for row ${at}`);
}

/** What the log leaves out: sensitive columns, and the features that are computed from them. */
function loggedNames(signature: Signature, spec: FeatureSpec) {
  const columns = [...signature.inputs, ...signature.passthrough];
  const sensitive = new Set(columns.filter((column) => column.sensitive).map(({ name }) => name));
  const inputs = columns.map(({ name }) => name).filter((name) => !sensitive.has(name));
  const features = spec.features.flatMap(({ name, column }, index) =>
    sensitive.has(column) ? [] : [{ name, index }],
  );
  const entityKey = signature.entityKey;
  return {
    inputs,
    features,
    entityKey: entityKey !== undefined && !sensitive.has(entityKey) ? entityKey : undefined,
  };
}

async function run(version: LoadedVersion, input: ModelInput): Promise<ModelOutput> {
  const output = await version.session.run(input);
  checkPredictions(output.predictions, input.rows, version);
  return output;
}

interface Answers extends ModelOutput {
  /** One per row. */
  readonly cache?: readonly CacheOutcome[];
  readonly sharedCache?: CacheLookup['shared'];
  readonly kept: Promise<void>;
}

/** Runs the graph over the rows that no cache knows, each of them once. */
async function answersThrough(
  cache: PredictionCache,
  version: LoadedVersion,
  input: ModelInput,
): Promise<Answers> {
  const keys = predictionKeys(version.identity, version.spec, input);
  const lookup = await cache.lookup(keys);
  const rowOfKey = new Map<string, number>();
  for (const [row, key] of keys.entries()) {
    if (!lookup.predictions.has(key) && !rowOfKey.has(key)) rowOfKey.set(key, row);
  }
  const missing = inputRows(input, [...rowOfKey.values()]);
  const ran = missing.rows > 0 ? (await run(version, missing)).predictions : [];
  const computed = new Map([...rowOfKey.keys()].map((key, index) => [key, ran[index] ?? NaN]));
  return {
    predictions: Float32Array.from(
      keys,
      (key) => lookup.predictions.get(key) ?? computed.get(key) ?? Number.NaN,
    ),
    cache: lookup.outcomes,
    sharedCache: lookup.shared,
    kept: cache.store(computed, lookup),
  };
}

interface Answered extends Answers {
  readonly instances: Instances;
  readonly features: Float32Array;
  readonly ids: readonly string[];
  readonly requestId: string;
  readonly purpose?: PredictionPurpose | undefined;
  readonly at: Date;
  readonly latencyMs: number;
}

function recordsOf(version: LoadedVersion, answered: Answered): PredictionRecord[] {
  const { instances, features, predictions, details, cache, ids, requestId, purpose, latencyMs } =
    answered;
  const names = loggedNames(version.signature, version.spec);
  const width = version.spec.features.length;
  const predictedAt = answered.at.toISOString();
  const value = (column: string, row: number): RawValue => instances.columns[column]?.[row] ?? null;
  return ids.map((predictionId, row) => ({
    predictionId,
    requestId,
    model: version.model,
    version: version.version,
    predictedAt,
    entityKey: names.entityKey === undefined ? null : value(names.entityKey, row),
    inputs: Object.fromEntries(names.inputs.map((name) => [name, value(name, row)])),
    features: Object.fromEntries(
      names.features.map(({ name, index }) => {
        const feature = features[row * width + index] ?? Number.NaN;
        return [name, Number.isNaN(feature) ? null : feature];
      }),
    ),
    prediction: predictions[row] ?? Number.NaN,
    ...(details?.[row] && { details: details[row] }),
    ...(cache?.[row] === undefined ? {} : { cache: cache[row] }),
    ...(purpose && { purpose }),
    latencyMs,
  }));
}

const shownPredictions = ({ predictions, details }: ModelOutput): PredictReply['predictions'] =>
  Array.from(predictions, (prediction, row) => {
    const said = details?.[row];
    return said ? { ...said, prediction } : prediction;
  });

/**
 * Answers one request with one version: parse, validate, features, one run over all rows that are not
 * cached, reply.
 * @throws InvalidRequestError where the request is wrong.
 * @throws PredictionFaultError where the model gives no number.
 */
export async function predict(
  version: LoadedVersion,
  request: PredictRequest,
  cache?: PredictionCache,
): Promise<Prediction> {
  const instances = version.parse(request.body);
  const startedAt = performance.now();
  const at = new Date();
  const features = computeFeatures(version.spec, instances);
  checkRange(features, version.spec);
  const { rows } = instances;
  // What the features of a model are for is not always its input: they are watched too.
  const input: ModelInput =
    version.spec.input === 'features'
      ? { kind: 'features', rows, features }
      : modelInput(version.spec, instances);
  // A cache keeps numbers: a container may say more of a row.
  const answers: Answers =
    cache && version.signature.runtime === 'onnx'
      ? await answersThrough(cache, version, input)
      : { ...(await run(version, input)), kept: Promise.resolve() };
  const latencyMs = Math.round((performance.now() - startedAt) * 1000) / 1000;
  const ids = predictionIds(version, sortableId(at.getTime()), instances.rows);
  const { purpose, requestId } = request;
  const answered = { ...answers, instances, features, ids, at, latencyMs };
  return {
    reply: {
      predictions: shownPredictions(answers),
      prediction_ids: ids,
      model_name: version.model,
      model_version: String(version.version),
    },
    records: recordsOf(version, { ...answered, requestId, purpose }),
    sharedCache: answers.sharedCache,
    kept: answers.kept,
  };
}
