import * as z from 'zod';

export const FinishBatchEnvironment = z.object({
  MODEL_NAME: z.string(),
  DATA_BUCKET: z.string(),
  NEWS_TOPIC_ARN: z.string(),
  PAGES_TOPIC_ARN: z.string(),
  MODEL_OWNER: z.string(),
});
/** Whoever dropped a file hears of it; a person at the command line sees it there. */
const Trigger = z.enum(['drop', 'person']);
export const FinishBatchEvent = z.union([
  /** All shards are scored. */
  z.object({ key: z.string(), trigger: Trigger, prefix: z.string() }),
  /** No row of the file can be scored. */
  z.object({ key: z.string(), trigger: Trigger, reasons: z.array(z.string()) }),
  /** EventBridge: Step Functions Execution Status Change. */
  z.object({
    detail: z.object({
      name: z.string(),
      status: z.enum(['FAILED', 'TIMED_OUT', 'ABORTED']),
      input: z.string().nullish(),
      error: z.string().nullish(),
      cause: z.string().nullish(),
    }),
  }),
]);
export const FinishBatchResult = z.object({
  outcome: z.enum(['done', 'refused', 'failed']),
  reasons: z.array(z.string()).optional(),
  manifestKey: z.string().optional(),
  rows: z.int().optional(),
  scored: z.int().optional(),
  errors: z.int().optional(),
});
