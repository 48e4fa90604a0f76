import * as z from 'zod';

export const BuildFeaturesEnvironment = z.object({
  DATA_BUCKET: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});
export const BuildFeaturesEvent = z.object({
  runId: z.string(),
  snapshotId: z.string(),
  manifestKey: z.string(),
});

/** S3 URIs of training channels, and what evaluation and registration need of them. */
export const BuildFeaturesResult = z.object({
  specHash: z.string(),
  featuresKey: z.string(),
  signatureKey: z.string(),
  /** How the training rows' values are spread. */
  profileKey: z.string(),
  holdoutKey: z.string(),
  /** The holdout's raw rows in the same order, for versions with other features and for slices. */
  holdoutRowsKey: z.string(),
  /** Some of them as instances of requests. */
  instancesKey: z.string(),
  builtKey: z.string(),
  trainUri: z.string(),
  validationUri: z.string(),
  featuresUri: z.string(),
  rows: z.object({ train: z.int(), holdout: z.int() }),
});
