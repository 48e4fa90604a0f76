import * as z from 'zod';

export const ValidateSnapshotEnvironment = z.object({
  DATA_BUCKET: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});
export const ValidateSnapshotEvent = z.object({ runId: z.string(), manifestKey: z.string() });

/** reports/<model>/validation/<snapshotId>.json names row, column, rule and value of what is wrong. */
export const ValidateSnapshotResult = z.object({
  outcome: z.enum(['valid', 'invalid']),
  reportKey: z.string(),
  invalidFiles: z.int(),
});
