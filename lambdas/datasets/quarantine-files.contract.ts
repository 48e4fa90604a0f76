import * as z from 'zod';

export const QuarantineFilesEnvironment = z.object({
  DATA_BUCKET: z.string(),
  NEWS_TOPIC_ARN: z.string(),
  PAGES_TOPIC_ARN: z.string(),
  MODEL_OWNER: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});
export const QuarantineFilesEvent = z.object({ runId: z.string(), reportKey: z.string() });

export const QuarantineFilesResult = z.object({ quarantined: z.int(), reportKey: z.string() });
