import { z } from 'zod';

export const StageVersionEnvironment = z.object({
  REGISTRY_TABLE: z.string(),
  MODEL_NAME: z.string(),
});
export const StageVersionEvent = z.object({ runId: z.string(), version: z.int().positive() });
export const StageVersionResult = z.object({ sequence: z.int() });
