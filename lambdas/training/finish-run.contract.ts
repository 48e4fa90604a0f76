import * as z from 'zod';
import { RunOutcome } from '../../core/registry/records.ts';

/** Records how a run ended, removes what only the run needed, frees the lock, starts a waiting run. */
export const FinishRunEnvironment = z.object({
  REGISTRY_TABLE: z.string(),
  DATA_BUCKET: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  STATE_MACHINE_ARN: z.string(),
  NEWS_TOPIC_ARN: z.string(),
  PAGES_TOPIC_ARN: z.string(),
  MODEL_OWNER: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});
export const FinishRunEvent = z.object({
  runId: z.string(),
  outcome: RunOutcome,
  reasons: z.array(z.string()).default([]),
  trainingId: z.string().optional(),
  /** Of a candidate that the gate has seen. */
  evaluationKey: z.string().optional(),
  version: z.int().optional(),
  /** The run was to import a file. */
  imported: z.boolean().optional(),
});
export const FinishRunResult = z.object({ outcome: RunOutcome, nextRunId: z.string().optional() });
