import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { functionIdentity } from '../../adapters/aws-identity.ts';
import { dynamodbEventResults } from '../../adapters/dynamodb-event-results.ts';
import { measure } from '../../adapters/embedded-metrics.ts';
import { eventbridgeResults } from '../../adapters/eventbridge-results.ts';
import { firehosePredictionLog } from '../../adapters/firehose-prediction-log.ts';
import { kinesisResults } from '../../adapters/kinesis-results.ts';
import { impatientDynamodb, liveModelVersions } from '../../adapters/live-model-versions.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { errorFields, log } from '../../adapters/structured-log.ts';
import { ServingMetrics } from '../../core/inference/serving-metrics.ts';
import { resultTypes } from '../../core/inference/streams/stream-events.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  PredictEventsEnvironment,
  PredictEventsEvent,
  PredictEventsResult,
  resultsOnBus,
} from './predict-events.contract.ts';
import {
  type DeliveryReport,
  type EventStream,
  pauseAfterFailure,
  predictEvents,
} from './predict-events.ts';

const environment = parseEnvironment(PredictEventsEnvironment, process.env);
const model = environment.MODEL_NAME;
const dynamodb = impatientDynamodb();
const data = s3Objects({ bucket: environment.DATA_BUCKET });
/** Nobody waits for the log here, but the next batch. */
const predictionLog = firehosePredictionLog({
  stream: environment.PREDICTION_STREAM,
  deadlineMs: 2_000,
  identity: functionIdentity(process.env),
});
/** Of a container; what is left of the function's time is for publishing. */
const containerLimitMs = 40_000;

const errors = (value: number) => ({ [ServingMetrics.errors]: { value, unit: 'Count' as const } });

const stream: EventStream = {
  versions: liveModelVersions({
    model,
    registryTable: environment.REGISTRY_TABLE,
    artifactsBucket: environment.ARTIFACTS_BUCKET,
    dynamodb,
    createSession: (request) => createModelSession(request, containerLimitMs),
    onFailure: ({ what, version, error }, text) =>
      measure(model, what === 'load' ? errors(1) : {}, 'error', text, {
        ...{ what, version },
        ...errorFields(error),
      }),
  }),
  origin: { source: environment.RESULTS_ORIGIN },
  store: dynamodbEventResults({ tableName: environment.RESULTS_TABLE, client: dynamodb }),
  destinations: [
    kinesisResults({ streamName: environment.RESULTS_STREAM }),
    eventbridgeResults({
      busName: environment.RESULTS_BUS,
      source: resultsOnBus.source,
      detailTypeOf: (text) =>
        JSON.parse(text).type === resultTypes.refusal
          ? resultsOnBus.refusal
          : resultsOnBus.prediction,
    }),
  ],
  keepRefused: data.putJson,
  logPredictions: predictionLog.put,
  sampleRate: environment.PREDICTION_LOG_SAMPLE_RATE,
  pause: sleep,
  onUnnoted: (key, error) =>
    log(
      'warn',
      'it could not be noted that a result is published; another delivery would repeat it',
      {
        key,
        ...errorFields(error),
      },
    ),
};

/** The stream keeps records for a day; whoever is this late falls behind. */
const lateMs = 5 * 60_000;

function report(outcome: DeliveryReport, records: number, oldestMs: number): void {
  const { failures, refused, log: logged, ...counts } = outcome;
  const late = oldestMs > lateMs;
  const [failure] = failures;
  const troubled = failure !== undefined || late;
  measure(
    model,
    errors(troubled ? 1 : 0),
    troubled ? 'error' : Object.keys(refused).length > 0 ? 'warn' : 'info',
    failure
      ? 'events failed, and are delivered again'
      : late
        ? 'events are late'
        : 'events answered',
    {
      ...counts,
      ...{ records, refused, oldestMs, failed: failures.length },
      log: { sent: logged.sent, late: logged.late, failed: logged.failed },
      ...(failure ? errorFields(failure.error) : {}),
    },
  );
}

export const handler = stepHandler(
  {
    event: PredictEventsEvent,
    result: PredictEventsResult,
    // What callers send is for nobody who reads logs.
    shown: (event) => ({ records: PredictEventsEvent.safeParse(event).data?.Records.length }),
  },
  async ({ Records }, context) => {
    const records = Records.map(({ eventID, kinesis }) => ({
      place: eventID,
      bytes: kinesis.data,
      arrivedAt: new Date(kinesis.approximateArrivalTimestamp * 1_000),
      sequence: kinesis.sequenceNumber,
    }));
    const now = Date.now();
    const endsAtMs = now + context.getRemainingTimeInMillis();
    const delivery = { records, id: randomUUID(), endsAtMs };
    const outcome = await predictEvents(stream, delivery).catch(async (error: unknown) => {
      measure(model, errors(1), 'error', 'events failed, and are delivered again', {
        records: records.length,
        ...errorFields(error),
      });
      await pauseAfterFailure(sleep, endsAtMs);
      throw error;
    });
    const oldestMs = Math.max(...records.map(({ arrivedAt }) => now - arrivedAt.getTime()));
    report(outcome, records.length, oldestMs);
    if (outcome.failures.length > 0) await pauseAfterFailure(sleep, endsAtMs);
    const failed = new Set(outcome.failures.map(({ record }) => record.place));
    return {
      batchItemFailures: records
        .filter(({ place }) => failed.has(place))
        .map(({ sequence }) => ({ itemIdentifier: sequence })),
    };
  },
);
