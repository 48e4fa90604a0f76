import { z } from 'zod';

/** How a model is watched. The defaults suit a few thousand predictions a day. */
export const MonitoringSection = z.strictObject({
  /** Of what the endpoint answered, the last hours are compared with the training rows. */
  windowHours: z.int().min(1).max(168).default(24),
  /** Fewer rows, on either side, are not judged. */
  minimumRows: z.int().min(100).max(1_000_000).default(500),
  /**
   * A population stability index below this is no drift, however certain. Customary: 0.1 is a moderate
   * change, 0.25 a large one.
   */
  psiThreshold: z.number().min(0.005).max(10).default(0.2),
  /** By how much a feature's share of missing values may change, either way. */
  missingShareThreshold: z.number().min(0.001).max(1).default(0.05),
  /** Expected share of false ones among what is called drift (Benjamini and Hochberg's q). */
  significance: z.number().gt(0).max(0.2).default(0.01),
});
export type MonitoringSection = z.infer<typeof MonitoringSection>;
