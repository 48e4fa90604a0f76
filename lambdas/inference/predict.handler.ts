import * as z from 'zod';
import { functionIdentity } from '../../adapters/aws-identity.ts';
import { awsService } from '../../adapters/aws-requests.ts';
import { connectPredictionCache } from '../../adapters/connect-prediction-cache.ts';
import { measure } from '../../adapters/embedded-metrics.ts';
import { firehosePredictionLog, type LogOutcome } from '../../adapters/firehose-prediction-log.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { requestedObjects } from '../../adapters/requested-objects.ts';
import { requestedTable } from '../../adapters/requested-table.ts';
import { ledgerRecords, versionRecord } from '../../adapters/serving-records.ts';
import { errorFields } from '../../adapters/structured-log.ts';
import { formerlyLive } from '../../core/delivery/ledger.ts';
import { cacheMeasurements } from '../../core/inference/cache/cache-usage.ts';
import { inferenceEndpoint } from '../../core/inference/endpoint.ts';
import { loggedRecords } from '../../core/inference/log/log-sampling.ts';
import type { Prediction } from '../../core/inference/predict.ts';
import { ServingMetrics } from '../../core/inference/serving-metrics.ts';
import { type Failure, LiveVersions } from '../../core/inference/versions/live-versions.ts';
import { loadVersion } from '../../core/inference/versions/load-version.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { gatewayHandler, type Refusal, refusalOf } from '../runtime/http-handler.ts';
import { PredictEnvironment } from './predict.contract.ts';

// A schema reads a document or two here, for which it is not worth to be compiled.
z.config({ jitless: true });
const environment = parseEnvironment(PredictEnvironment, process.env);
const model = environment.MODEL_NAME;

const identity = functionIdentity(process.env);
// What hangs must fail while there is still time to answer.
const registry = requestedTable(
  environment.REGISTRY_TABLE,
  awsService({ dns: 'dynamodb', identity, maxAttempts: 2, requestTimeoutMs: 3_000 }),
);
const ledger = ledgerRecords(registry);
const artifacts = requestedObjects(
  environment.ARTIFACTS_BUCKET,
  awsService({ dns: 's3', identity, maxAttempts: 2, requestTimeoutMs: 8_000 }),
);
/** The function has 25 s for all it does, and says why it has no answer before they are over. */
const containerLimitMs = 22_000;
const predictionLog = firehosePredictionLog({
  stream: environment.PREDICTION_STREAM,
  deadlineMs: 20,
  identity,
});
const cache = connectPredictionCache(model, environment.PREDICTION_CACHE, { identity });

const errors = (value: number) => ({ [ServingMetrics.errors]: { value, unit: 'Count' as const } });

const failureTexts: Record<Failure['what'], string> = {
  head: "the ledger's head could not be read; what was live before stays so here",
  load: 'a version could not be loaded; the last good one, if there is one, goes on serving',
  unload: 'a version could not be unloaded; its memory is not freed',
};

function reportFailure({ what, version, error }: Failure): void {
  const fields = { what, version, ...errorFields(error) };
  measure(model, what === 'load' ? errors(1) : {}, 'error', failureTexts[what], fields);
}

const versions = new LiveVersions({
  model,
  head: () => ledger.head(model),
  formerlyLive: async () => formerlyLive(await ledger.entries(model)),
  load: (version) =>
    loadVersion(
      {
        record: (number) => versionRecord(registry, model, number),
        read: artifacts.get,
        createSession: (request) => createModelSession(request, containerLimitMs),
      },
      version,
    ),
  onFailure: reportFailure,
});

// Lambda gives more processor time before the first request than for it. What goes wrong here is
// reported, and tried again for the first request.
versions.use(async () => undefined).catch(() => undefined);

/** What the cache did for this request. */
const cacheMetrics = () =>
  cache ? cacheMeasurements(cache.takeUsage(), environment.PREDICTION_CACHE?.usdPerMs ?? 0) : {};

/** How many rows each part of the cache knew; nothing where the model has none. */
function cacheFields({ cache: outcomes, sharedCache: shared }: Prediction): object {
  if (!outcomes) return {};
  const count = (outcome: string) => outcomes.filter((found) => found === outcome).length;
  const [memory, valkey, computed] = ['hit-memory', 'hit-valkey', 'miss'].map(count);
  return { cache: { memory, valkey, computed, shared } };
}

function logPrediction(prediction: Prediction, outcome: LogOutcome): void {
  const { late, failed, error } = outcome;
  const { requestId, purpose, version, variant, ids, latencyMs, receivedAt } = prediction;
  const latency = { value: performance.now() - receivedAt, unit: 'Milliseconds' } as const;
  measure(
    model,
    // A comparison asks for as many rows at once as it may: it is no caller that waits.
    {
      ...(!purpose && { [ServingMetrics.latencyMs]: latency }),
      ...errors(0),
      ...(late + failed > 0 && {
        [ServingMetrics.logDropped]: { value: late + failed, unit: 'Count' as const },
      }),
      ...cacheMetrics(),
    },
    late + failed > 0 ? 'warn' : 'info',
    'predicted',
    {
      requestId,
      version: version.version,
      ...(variant !== 'live' && { variant }),
      rows: ids.length,
      purpose,
      latencyMs,
      log: { sent: outcome.sent, late, failed },
      ...cacheFields(prediction),
      ...(error === undefined ? {} : errorFields(error)),
    },
  );
}

async function answered(prediction: Prediction): Promise<void> {
  const records = loggedRecords(prediction, environment.PREDICTION_LOG_SAMPLE_RATE);
  const [outcome] = await Promise.all([predictionLog.put(records), prediction.kept]);
  logPrediction(prediction, outcome);
}

const refused = ({ level, message, status, fields }: Refusal): void =>
  measure(model, status < 500 ? {} : errors(1), level, message, { status, ...fields });

const endpoint = inferenceEndpoint(new Map([[model, { name: model, versions, cache, answered }]]), {
  refused: ({ status, error, request }) => refused(refusalOf(status, error, request)),
  notLogged: (error, { requestId }) =>
    measure(model, {}, 'error', 'the prediction was not logged', {
      requestId,
      ...errorFields(error),
    }),
});

export const handler = gatewayHandler(endpoint, refused);
