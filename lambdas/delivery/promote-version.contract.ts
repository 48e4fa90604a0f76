import { z } from 'zod';

export const PromoteVersionEnvironment = z.object({
  REGISTRY_TABLE: z.string(),
  MODEL_NAME: z.string(),
});
export const PromoteVersionEvent = z.object({ runId: z.string(), version: z.int().positive() });
export const PromoteVersionResult = z.object({ sequence: z.int() });
