import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { S3Client } from '@aws-sdk/client-s3';
import { connectPredictionCache } from '../../adapters/connect-prediction-cache.ts';
import { firehoseBackgroundLog } from '../../adapters/firehose-background-log.ts';
import { liveModelVersions } from '../../adapters/live-model-versions.ts';
import { errorFields } from '../../adapters/structured-log.ts';
import type { WorkerPool } from '../../adapters/worker-session.ts';
import { cacheMeasurements } from '../../core/inference/cache/cache-usage.ts';
import type { RefusedRequest, ServedModel } from '../../core/inference/endpoint.ts';
import { loggedLines } from '../../core/inference/log/log-sampling.ts';
import type { Prediction } from '../../core/inference/predict.ts';
import type { ServedModelSettings } from '../../core/inference/server-settings.ts';
import { ModelMetrics } from './model-metrics.ts';
import { ModelSessions } from './model-sessions.ts';

/** Work that waits so many times longer than tasks are added for is refused: they come too late for it. */
export const refusedBeyondLimits = 10;

export interface Surroundings {
  readonly registryTable: string;
  readonly artifactsBucket: string;
  readonly queueLimitMs: number;
  readonly dynamodb: DynamoDBClient;
  readonly s3: S3Client;
  readonly pool: WorkerPool | undefined;
}

/** A model of this server, with what goes on beside its answers. */
export interface RunningModel extends ServedModel {
  refused(refusal: Omit<RefusedRequest, 'model'>): void;
  timedOut(requestId: string): void;
  /** Of a request that was refused unread. */
  notAdmitted(requestId: string, error: unknown): void;
  /** Reads what is live, and loads it. */
  refresh(): Promise<void>;
  /** Writes what happened since it last did. */
  writeMetrics(): void;
  /** @param delayMs how long a request waits before it is read */
  writeQueuedWork(delayMs: number): void;
  /** Sends what is still to be logged. */
  close(limitMs: number): Promise<void>;
}

function predictionLog(
  { predictionStream: stream, predictionLog: kept }: ServedModelSettings,
  metrics: ModelMetrics,
) {
  const background = firehoseBackgroundLog({
    stream,
    onFailure: (error, waitingBytes) =>
      metrics.failed(
        'the prediction log was not taken; it is sent again',
        { waitingBytes, ...errorFields(error) },
        false,
      ),
  });
  let waiting: Prediction[] = [];
  const write = () => {
    const predictions = waiting;
    waiting = [];
    for (const prediction of predictions) {
      for (const line of loggedLines(prediction, kept?.sampleRate)) background.add(line);
    }
  };
  return {
    background,
    /** After the replies that are ready now. */
    add(prediction: Prediction): void {
      if (waiting.push(prediction) === 1) setImmediate(write);
    },
    async close(limitMs: number): Promise<void> {
      write();
      await background.close(limitMs);
    },
  };
}

/** Answers for one model, as its settings say. */
export function runModel(settings: ServedModelSettings, surroundings: Surroundings): RunningModel {
  const { name, batching } = settings;
  const { artifactsBucket, dynamodb, pool, queueLimitMs, registryTable, s3 } = surroundings;
  const metrics = new ModelMetrics(name);
  const maximumQueuedMs = refusedBeyondLimits * queueLimitMs;
  const sessions = new ModelSessions({ ...batching, maximumQueuedMs }, pool);
  const versions = liveModelVersions({
    ...{ model: name, registryTable, artifactsBucket, dynamodb, s3, refreshed: true },
    createSession: (request) => sessions.create(request),
    onFailure: ({ what, version, error }, text) =>
      metrics.failed(text, { what, version, ...errorFields(error) }, what === 'load'),
  });
  const cache = connectPredictionCache(name, settings.cache, { identity: dynamodb.config });
  const logged = predictionLog(settings, metrics);
  const writeMetrics = () => {
    const used = cache && cacheMeasurements(cache.takeUsage(), settings.cache?.usdPerMs ?? 0);
    metrics.write(logged.background.takeDropped(), used);
  };
  return {
    ...{ name, versions, cache },
    answered(prediction) {
      // A comparison asks for as many rows at once as it may: it is no caller that waits.
      if (!prediction.purpose) metrics.answered(performance.now() - prediction.receivedAt);
      logged.add(prediction);
    },
    refused({ status, error, request: { requestId, caller } }) {
      // A caller's error is told to the caller alone: its text may hold what they sent.
      const fields = () => ({
        requestId,
        caller,
        ...(status < 500 ? {} : errorFields(error)),
      });
      metrics.refused(status, 'request refused', fields);
    },
    timedOut: (requestId) => metrics.refused(504, 'request timed out', () => ({ requestId })),
    notAdmitted: (requestId, error) =>
      metrics.refused(503, 'request refused', () => ({ requestId, ...errorFields(error) })),
    refresh: () => versions.refresh(),
    writeMetrics,
    writeQueuedWork: (delayMs) =>
      metrics.writeQueuedWork(delayMs + sessions.takeMeanQueuedWorkMs()),
    async close(limitMs) {
      await logged.close(limitMs);
      writeMetrics();
    },
  };
}
