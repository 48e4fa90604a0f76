import * as z from 'zod';
import { MeasurementResult } from '../../core/inference/measurement.ts';

export const EvaluateCandidateEnvironment = z.object({
  DATA_BUCKET: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  REGISTRY_TABLE: z.string(),
  TRAINER_SHA256: z.string(),
  TRAINING_IMAGE: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});
export const EvaluateCandidateEvent = z.object({
  runId: z.string(),
  trainingId: z.string(),
  hyperparameters: z.record(z.string(), z.string()),
  /** s3://…/output/model/ as SageMaker reports it. */
  modelArtifacts: z.string(),
  manifestKey: z.string(),
  builtKey: z.string(),
  holdoutKey: z.string(),
  /** The same rows, raw: what the live version answers. */
  holdoutRowsKey: z.string(),
  /** s3://…/train/ of the same features: the baseline predicts the mean of its labels. */
  trainUri: z.string(),
  featuresKey: z.string(),
  signatureKey: z.string(),
  profileKey: z.string(),
  measurement: MeasurementResult,
  /** Of the endpoint whose container answers for it. */
  endpointName: z.string().optional(),
});
/**
 * Beside the job's model: evaluation.json (metrics, baseline, parity, the comparison with the live version,
 * each rule with its numbers), and profile.json (what later predictions are compared with).
 */
export const EvaluateCandidateResult = z.object({
  outcome: z.enum(['passed', 'rejected']),
  /** Whether there are metrics: what has none does not become a version. */
  measured: z.boolean(),
  reasons: z.array(z.string()),
  evaluationKey: z.string(),
});
