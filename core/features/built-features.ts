import * as z from 'zod';
import { Sha256 } from '../datasets/snapshot.ts';

/** Event times of rows, ISO 8601, UTC. */
export const TimeSpan = z.strictObject({ from: z.string(), to: z.string() });
export type TimeSpan = z.infer<typeof TimeSpan>;

/** built.json, written last: every object of these features, and how many rows there are of each side. */
export const BuiltFeatures = z.strictObject({
  specHash: Sha256,
  rows: z.strictObject({ train: z.int().positive(), holdout: z.int().positive() }),
  /** Of both sides; there is none without an event time. */
  timeSpan: TimeSpan.optional(),
  objects: z.record(z.string(), z.strictObject({ sha256: Sha256, bytes: z.int() })),
});
export type BuiltFeatures = z.infer<typeof BuiltFeatures>;

/** Where the features of a snapshot lie: each channel of a training is a folder of its own. */
export function featureKeys(model: string, snapshotId: string, specHash: string) {
  const prefix = `features/${model}/${snapshotId}/${specHash}/`;
  return {
    prefix,
    train: `${prefix}train/part-0.parquet`,
    holdout: `${prefix}validation/part-0.parquet`,
    holdoutRows: `${prefix}holdout/rows.parquet`,
    instances: `${prefix}holdout/instances.json`,
    spec: `${prefix}features/features.json`,
    signature: `${prefix}signature.json`,
    profile: `${prefix}profile.json`,
    built: `${prefix}built.json`,
  };
}
