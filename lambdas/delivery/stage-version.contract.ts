import * as z from 'zod';

export const StageVersionEnvironment = z.object({
  REGISTRY_TABLE: z.string(),
  MODEL_NAME: z.string(),
  APPROVAL: z.enum(['automatic', 'manual']),
});
export const StageVersionEvent = z.object({ runId: z.string(), version: z.int().positive() });
export const StageVersionResult = z.object({
  /** staged: it may go live · else how the run ends, because a person decides or has decided. */
  outcome: z.enum(['staged', 'awaiting_approval', 'rejected']),
  reasons: z.array(z.string()),
});
export type StageVersionResult = z.infer<typeof StageVersionResult>;
