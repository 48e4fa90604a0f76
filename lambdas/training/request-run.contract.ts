import { z } from 'zod';

/** Starts the model's pipeline, or marks the running one's lock dirty. The only door to it. */
export const RequestRunEnvironment = z.object({
  REGISTRY_TABLE: z.string(),
  STATE_MACHINE_ARN: z.string(),
  QUIET_PERIOD_SECONDS: z.coerce.number().nonnegative(),
  MODEL_NAME: z.string(),
});
/**
 * drop: an S3 event, rewritten by the rule · person: `slipway train`, or a drop known to be complete
 * (settled: do not wait for the quiet period) · retry: a failed run's step, with the state's own input.
 */
export const RequestRunEvent = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('drop'), key: z.string() }),
  z.object({ kind: z.literal('person'), by: z.string(), settled: z.boolean().default(true) }),
  z.object({
    kind: z.literal('retry'),
    by: z.string(),
    from: z.string(),
    input: z.record(z.string(), z.unknown()),
  }),
]);
export const RequestRunResult = z.object({
  /** started: a new run · coalesced: the waiting run takes it in · queued: the next run takes it. */
  outcome: z.enum(['started', 'coalesced', 'queued', 'busy']),
  runId: z.string(),
});
