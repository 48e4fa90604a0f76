import * as z from 'zod';

/** Answers the events of a model's stream: Kinesis in, Kinesis and EventBridge out. */
export const PredictEventsEnvironment = z.object({
  MODEL_NAME: z.string(),
  REGISTRY_TABLE: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  /** Keeps records that are refused. */
  DATA_BUCKET: z.string(),
  PREDICTION_STREAM: z.string(),
  /** The share of the events whose predictions are logged. */
  PREDICTION_LOG_SAMPLE_RATE: z.coerce.number<string>().gt(0).max(1).prefault('1'),
  /** Remembers the result of each event. */
  RESULTS_TABLE: z.string(),
  RESULTS_STREAM: z.string(),
  RESULTS_BUS: z.string(),
  /** What the CloudEvents source of results begins with, as in /slipway/prod/churn. */
  RESULTS_ORIGIN: z.string(),
});

/** The source of results on the bus, and their detail-types. */
export const resultsOnBus = {
  source: 'slipway.predictions',
  prediction: 'Prediction',
  refusal: 'Prediction Refused',
} as const;

const Base64 = z.string().transform((text) => Buffer.from(text, 'base64'));

export const PredictEventsEvent = z.object({
  Records: z
    .array(
      z.object({
        /** Shard and sequence number. */
        eventID: z.string(),
        kinesis: z.object({
          sequenceNumber: z.string(),
          data: Base64,
          /** Seconds. */
          approximateArrivalTimestamp: z.number(),
        }),
      }),
    )
    .min(1),
});

/** Kinesis goes on at the first of them. */
export const PredictEventsResult = z.object({
  batchItemFailures: z.array(z.object({ itemIdentifier: z.string() })),
});
