import * as z from 'zod';
import { ModelImport } from '../../core/registry/declared-lineage.ts';

/** The whole state of a run that imports: what it has of data depends on whether any was dropped. */
export const RegisterImportEvent = z.object({
  runId: z.string(),
  import: ModelImport,
  plan: z.object({ trainingId: z.string() }),
  snapshot: z.discriminatedUnion('outcome', [
    z.object({ outcome: z.literal('empty') }),
    z.object({ outcome: z.literal('taken'), snapshotId: z.string(), manifestKey: z.string() }),
  ]),
  features: z.object({
    specHash: z.string(),
    featuresKey: z.string(),
    signatureKey: z.string(),
    rows: z.object({ train: z.int(), holdout: z.int() }).optional(),
  }),
  train: z.object({ TrainingJobName: z.string(), ModelArtifacts: z.string() }),
  /** Of a model that a container serves. */
  deployment: z.object({ endpointName: z.string() }).optional(),
  evaluation: z.object({ evaluationKey: z.string() }),
});
