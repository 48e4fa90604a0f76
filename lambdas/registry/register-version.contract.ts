import * as z from 'zod';

export const RegisterVersionEnvironment = z.object({
  DATA_BUCKET: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  REGISTRY_TABLE: z.string(),
  TRAINER_SHA256: z.string(),
  TRAINING_IMAGE: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});
export const RegisterVersionEvent = z.object({
  runId: z.string(),
  trainingId: z.string(),
  trainingJobName: z.string(),
  hyperparameters: z.record(z.string(), z.string()),
  modelArtifacts: z.string(),
  evaluationKey: z.string(),
  snapshotId: z.string(),
  manifestKey: z.string(),
  specHash: z.string(),
  featuresKey: z.string(),
  signatureKey: z.string(),
  rows: z.object({ train: z.int(), holdout: z.int() }),
  /** Of the endpoint whose container answers for it. */
  endpointName: z.string().optional(),
});
export const RegisterVersionResult = z.object({ version: z.int() });
