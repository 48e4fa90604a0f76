import { z } from 'zod';

export const EvaluateCandidateEnvironment = z.object({
  DATA_BUCKET: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});
export const EvaluateCandidateEvent = z.object({
  runId: z.string(),
  trainingId: z.string(),
  /** s3://…/output/model/ as SageMaker reports it. */
  modelArtifacts: z.string(),
  holdoutKey: z.string(),
  /** s3://…/train/ of the same features: the baseline predicts the mean of its labels. */
  trainUri: z.string(),
  featuresKey: z.string(),
  profileKey: z.string(),
});
/**
 * Beside the job's model: evaluation.json (metrics, baseline, parity, each rule with its numbers), and
 * profile.json (what later predictions are compared with).
 */
export const EvaluateCandidateResult = z.object({
  outcome: z.enum(['passed', 'rejected']),
  reasons: z.array(z.string()),
  evaluationKey: z.string(),
});
