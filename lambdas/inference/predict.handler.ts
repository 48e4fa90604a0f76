import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { connectPredictionCache } from '../../adapters/connect-prediction-cache.ts';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { measure } from '../../adapters/embedded-metrics.ts';
import { firehosePredictionLog, type LogOutcome } from '../../adapters/firehose-prediction-log.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { errorFields, log } from '../../adapters/structured-log.ts';
import { formerlyLive } from '../../core/delivery/ledger.ts';
import { InvalidRequestError } from '../../core/inference/invalid-request-error.ts';
import { type Failure, LiveVersions, RetiredError } from '../../core/inference/live-versions.ts';
import { loadVersion } from '../../core/inference/load-version.ts';
import { type Prediction, predict } from '../../core/inference/predict.ts';
import { PredictionPurpose, purposeHeader } from '../../core/inference/prediction-record.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { HttpError } from '../runtime/http-error.ts';
import { type HttpReply, type HttpRequest, httpHandler } from '../runtime/http-handler.ts';
import { PredictEnvironment, PredictMetrics } from './predict.contract.ts';

const environment = parseEnvironment(PredictEnvironment, process.env);
const model = environment.MODEL_NAME;

// What hangs must fail while there is still time to answer.
const dynamodb = new DynamoDBClient({
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 3_000, throwOnRequestTimeout: true },
});
const s3 = new S3Client({
  maxAttempts: 2,
  requestHandler: { connectionTimeout: 1_000, requestTimeout: 8_000, throwOnRequestTimeout: true },
});
/** The function has 25 s for all it does, and says why it has no answer before they are over. */
const containerLimitMs = 22_000;
const table = { tableName: environment.REGISTRY_TABLE, client: dynamodb };
const ledger = dynamodbLedger(table);
const registry = dynamodbRegistry(table);
const artifacts = s3Objects({ bucket: environment.ARTIFACTS_BUCKET, client: s3 });
const predictionLog = firehosePredictionLog({
  stream: environment.PREDICTION_STREAM,
  deadlineMs: 20,
});
const cache = connectPredictionCache(model, environment.PREDICTION_CACHE, {
  identity: dynamodb,
  onTrouble: (message, reason) => log('warn', message, errorFields(reason)),
});

const errors = (value: number) => ({ [PredictMetrics.errors]: { value, unit: 'Count' as const } });

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
        record: (number) => registry.getVersion(model, number),
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

/** How many rows each part of the cache knew; nothing where the model has none. */
function cacheFields({ records, sharedCache: shared }: Prediction): object {
  if (!cache) return {};
  const count = (outcome: string) => records.filter((record) => record.cache === outcome).length;
  const [memory, valkey, computed] = ['hit-memory', 'hit-valkey', 'miss'].map(count);
  return { cache: { memory, valkey, computed, shared } };
}

function logPrediction(
  prediction: Prediction,
  outcome: LogOutcome,
  { requestId, durationMs }: { readonly requestId: string; readonly durationMs: number },
): void {
  const { late, failed, error } = outcome;
  const { records } = prediction;
  const [first] = records;
  const latency = { value: durationMs, unit: 'Milliseconds' } as const;
  measure(
    model,
    // A comparison asks for as many rows at once as it may: it is no caller that waits.
    first?.purpose ? errors(0) : { [PredictMetrics.latencyMs]: latency, ...errors(0) },
    late + failed > 0 ? 'warn' : 'info',
    'predicted',
    {
      requestId,
      version: first?.version,
      rows: records.length,
      purpose: first?.purpose,
      latencyMs: first?.latencyMs,
      log: { sent: outcome.sent, late, failed },
      ...cacheFields(prediction),
      ...(error === undefined ? {} : errorFields(error)),
    },
  );
}

function purposeOf({ headers }: HttpRequest): PredictionPurpose | undefined {
  const stated = headers[purposeHeader];
  if (stated === undefined) return undefined;
  const purpose = PredictionPurpose.safeParse(stated);
  if (purpose.success) return purpose.data;
  throw new InvalidRequestError([
    `the header ${purposeHeader}: send ${PredictionPurpose.options.join(' or ')}, or leave it out (received '${stated.slice(0, 40)}')`,
  ]);
}

async function answer(request: HttpRequest): Promise<HttpReply> {
  const startedAt = performance.now();
  const { body, requestId } = request;
  const asked = { body, requestId, purpose: purposeOf(request) };
  const prediction = await versions.use((version) => predict(version, asked, cache));
  const [outcome] = await Promise.all([predictionLog.put(prediction.records), prediction.kept]);
  logPrediction(prediction, outcome, { requestId, durationMs: performance.now() - startedAt });
  return { status: 200, body: { ...prediction.reply } };
}

async function readiness(): Promise<HttpReply> {
  try {
    const version = await versions.use(async (live) => live.version);
    return { status: 200, body: { name: model, ready: true, model_version: String(version) } };
  } catch (error) {
    // That it is retired is an answer, not a state to wait in.
    if (error instanceof RetiredError) throw error;
    return { status: 200, body: { name: model, ready: false } };
  }
}

async function route(request: HttpRequest): Promise<HttpReply> {
  const wanted = `${request.method} ${request.path}`;
  if (wanted === `POST /v1/models/${model}:predict`) return answer(request);
  if (wanted === `GET /v1/models/${model}`) return readiness();
  throw new HttpError(
    404,
    `there is nothing at ${wanted.slice(0, 200)}; use POST /v1/models/${model}:predict or GET /v1/models/${model}`,
  );
}

export const handler = httpHandler(route, ({ level, message, status, fields }) =>
  measure(model, status < 500 ? {} : errors(1), level, message, { status, ...fields }),
);
