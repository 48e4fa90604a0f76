import * as z from 'zod';
import { RetrainingAlarm } from '../../core/model/retraining-section.ts';
import { LineagePolicy, ModelImport } from '../../core/registry/declared-lineage.ts';

/** Starts the model's pipeline, or marks the running one's lock dirty. The only door to it. */
export const RequestRunEnvironment = z.object({
  REGISTRY_TABLE: z.string(),
  STATE_MACHINE_ARN: z.string(),
  NEWS_TOPIC_ARN: z.string(),
  PAGES_TOPIC_ARN: z.string(),
  MODEL_OWNER: z.string(),
  QUIET_PERIOD_SECONDS: z.coerce.number().nonnegative(),
  ENVIRONMENT_NAME: z.string(),
  LINEAGE_POLICY: LineagePolicy,
  LAMBDA_TASK_ROOT: z.string(),
});
/**
 * drop: an S3 event, rewritten by the rule, or a person who says who dropped it and that all is there
 * (settled: do not wait for the quiet period) · person: `slipway train` · retry: a failed run's step, with
 * the state's own input · import: a person's file, which lies in the artifacts bucket already · alarm: of drift or quality, from the environment's one rule · tick: kept wishes
 * are looked at again.
 */
export const RequestRunEvent = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('drop'),
    key: z.string(),
    by: z.string().optional(),
    settled: z.boolean().default(false),
  }),
  z.object({ kind: z.literal('person'), by: z.string(), settled: z.boolean().default(true) }),
  z.object({
    kind: z.literal('retry'),
    by: z.string(),
    from: z.string(),
    input: z.record(z.string(), z.unknown()),
  }),
  z.object({ kind: z.literal('import'), import: ModelImport }),
  z.object({ kind: z.literal('alarm'), alarm: RetrainingAlarm, since: z.iso.datetime() }),
  z.object({ kind: z.literal('tick'), time: z.iso.datetime() }),
]);
export const RequestRunResult = z.object({
  /**
   * started: a new run · coalesced: the waiting run takes it in · queued: the next run takes it · busy: a
   * retry and an import do not wait · refused: an import that cannot become a version · waiting: no run is started for now, the reasons say why · ignored: not asked for ·
   * retired: no run of the model starts any more.
   */
  outcome: z.enum([
    'started',
    'coalesced',
    'queued',
    'busy',
    'refused',
    'waiting',
    'ignored',
    'retired',
  ]),
  /** The run that takes it in, or that is in the way. */
  runId: z.string().optional(),
  reasons: z.array(z.string()).default([]),
});
