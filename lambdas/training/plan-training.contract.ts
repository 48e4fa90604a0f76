import * as z from 'zod';
import { TrainingPlan } from '../../core/training/training-plan.ts';

export const PlanTrainingEnvironment = z.object({
  REGISTRY_TABLE: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  TRAINER_SHA256: z.string(),
  TRAINING_IMAGE: z.string(),
  TRAINING_DEVICE: z.enum(['cpu', 'cuda']),
  LAMBDA_TASK_ROOT: z.string(),
});
export const PlanTrainingEvent = z.object({
  runId: z.string(),
  contentHash: z.string(),
  /** Of the snapshot, which is valid; each has its label. */
  rows: z.int().nonnegative(),
});
export const PlanTrainingResult = TrainingPlan;
