import * as z from 'zod';

/** Frees the lock of an execution that failed, timed out or was stopped; starts a waiting run. */
export const ReleaseRunEnvironment = z.object({
  REGISTRY_TABLE: z.string(),
  STATE_MACHINE_ARN: z.string(),
  NEWS_TOPIC_ARN: z.string(),
  PAGES_TOPIC_ARN: z.string(),
  MODEL_OWNER: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});
/** EventBridge: Step Functions Execution Status Change. */
export const ReleaseRunEvent = z.object({
  detail: z.object({
    executionArn: z.string(),
    name: z.string(),
    status: z.enum(['FAILED', 'TIMED_OUT', 'ABORTED']),
    error: z.string().nullish(),
    cause: z.string().nullish(),
  }),
});
export const ReleaseRunResult = z.object({ nextRunId: z.string().optional() });
