import { z } from 'zod';

/** POST /v1/models/<model>:predict and GET /v1/models/<model>, as API Gateway's proxy integration. */
export const PredictEnvironment = z.object({
  MODEL_NAME: z.string(),
  REGISTRY_TABLE: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  PREDICTION_STREAM: z.string(),
});

/** Metrics in the namespace Slipway with the dimension Model, counted by log lines in EMF. */
export const PredictMetrics = {
  /** Prediction records that Firehose refused or did not take within the deadline. */
  logFailures: 'PredictionLogFailures',
  /** A version that could not be loaded, or was refused because an artifact is not what was registered. */
  loadFailures: 'VersionLoadFailures',
} as const;
