import * as z from 'zod';
import { Sha256 } from '../../core/datasets/snapshot.ts';

export const DescribeFeaturesEvent = z.object({ runId: z.string(), importId: Sha256 });

/** As of features that were built, without rows: the form of what a model takes. */
export const DescribeFeaturesResult = z.object({
  specHash: z.string(),
  featuresKey: z.string(),
  signatureKey: z.string(),
  /** Made up, to measure the candidate with. */
  instancesKey: z.string(),
  featuresUri: z.string(),
});
