import * as z from 'zod';

export const PlanBatchEnvironment = z.object({
  MODEL_NAME: z.string(),
  DATA_BUCKET: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  REGISTRY_TABLE: z.string(),
});
export const PlanBatchEvent = z.object({
  /** Under batch/<model>/, or where the command line puts what it is given. */
  key: z.string(),
  versionId: z.string().nullish(),
  /** By default the live one. */
  version: z.int().positive().nullish(),
});
/** refused: no row of it can be scored, for these reasons. */
export const PlanBatchResult = z.discriminatedUnion('outcome', [
  z.object({
    outcome: z.literal('planned'),
    batchId: z.string(),
    /** Where all that belongs to the batch lies. */
    prefix: z.string(),
    rows: z.int(),
    version: z.int(),
    shards: z.array(z.int()),
    /** Shards that are scored at the same time. */
    atOnce: z.int().positive(),
  }),
  z.object({ outcome: z.literal('refused'), reasons: z.array(z.string()) }),
]);
