import * as z from 'zod';

export const TakeSnapshotEnvironment = z.object({
  DATA_BUCKET: z.string(),
  REGISTRY_TABLE: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});
export const TakeSnapshotEvent = z.object({ runId: z.string() });

/** snapshots/<model>/<id>/manifest.json describes what was in landing; 'empty' where nothing was. */
export const TakeSnapshotResult = z.object({
  outcome: z.enum(['taken', 'empty']),
  snapshotId: z.string(),
  manifestKey: z.string(),
  /** The same where only versions differ: what a training sees of it. */
  contentHash: z.string(),
  files: z.int(),
  /** Of the files that could be read as tables. */
  rows: z.int(),
});
