import * as z from 'zod';

export const AwaitQuietEnvironment = z.object({
  REGISTRY_TABLE: z.string(),
  MODEL_NAME: z.string(),
});
export const AwaitQuietEvent = z.object({ runId: z.string() });
/** settled: no drop for the quiet period; from here on, drops belong to the next run. */
export const AwaitQuietResult = z.object({ settled: z.boolean() });
