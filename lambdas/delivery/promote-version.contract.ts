import * as z from 'zod';

export const PromoteVersionEnvironment = z.object({
  REGISTRY_TABLE: z.string(),
  MODEL_NAME: z.string(),
});
export const PromoteVersionEvent = z.object({ runId: z.string(), version: z.int().positive() });
export const PromoteVersionResult = z.object({
  /** How the run ends: live, unless a person decided otherwise while it was under way. */
  outcome: z.enum(['live', 'awaiting_approval', 'rejected']),
  reasons: z.array(z.string()),
});
export type PromoteVersionResult = z.infer<typeof PromoteVersionResult>;
