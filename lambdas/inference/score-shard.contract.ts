import * as z from 'zod';

export const ScoreShardEnvironment = z.object({
  MODEL_NAME: z.string(),
  DATA_BUCKET: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  REGISTRY_TABLE: z.string(),
});
export const ScoreShardEvent = z.object({ prefix: z.string(), shard: z.int().nonnegative() });
/** The receipt has the rest: the results of all shards together go through the state machine. */
export const ScoreShardResult = z.object({ rows: z.int(), errors: z.int() });
