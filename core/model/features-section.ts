import { z } from 'zod';
import { ColumnName } from './data-section.ts';

/**
 * A declared feature: one raw column and one named transform. The platform computes it with the same
 * code in the pipeline and at the endpoint.
 *
 * numeric, log1p: the number, ln(1 + x) · isMissing: 1 where the column is null ·
 * categorical: code in a vocabulary learned from the training rows, missing for an unseen value ·
 * dayOfWeek (Monday 1 … Sunday 7), month (1 … 12), hourOfDay (0 … 23): of a timestamp, UTC.
 */
export const DeclaredFeature = z.strictObject({
  transform: z.enum(
    ['numeric', 'log1p', 'isMissing', 'categorical', 'dayOfWeek', 'month', 'hourOfDay'],
    {
      error:
        "a feature's transform is one of numeric, log1p, isMissing, categorical, dayOfWeek, month, hourOfDay",
    },
  ),
  column: ColumnName,
  /** categorical: keep the most frequent values only. */
  maximumCategories: z.int().min(2).max(10_000).optional(),
});
export type DeclaredFeature = z.infer<typeof DeclaredFeature>;

export const FeaturesSection = z.strictObject({
  declared: z
    .record(ColumnName, DeclaredFeature)
    .refine((features) => Object.keys(features).length > 0, {
      error: 'declare at least one feature',
    }),
});
export type FeaturesSection = z.infer<typeof FeaturesSection>;
