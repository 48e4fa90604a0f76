import { z } from 'zod';
import { hashOf } from '../canonical-json.ts';

/** What makes a training the same training: its version is found again instead of trained again. */
export const trainingId = (identity: {
  snapshotId: string;
  modelHash: string;
  trainerSha256: string;
  trainingImage: string;
}): string => hashOf(identity);

/** What the plan-training step hands to the steps after it. */
export const TrainingPlan = z.strictObject({
  decision: z.enum(['train', 'unchanged']),
  trainingId: z.string(),
  trainingJobName: z.string(),
  /** S3 URIs ending in a slash: of one training identity, shared by all attempts at it. */
  outputUri: z.string(),
  checkpointUri: z.string(),
  hyperparameters: z.record(z.string(), z.string()),
});
export type TrainingPlan = z.infer<typeof TrainingPlan>;
