import * as z from 'zod';
import { ColumnName } from './column.ts';
import { FeatureTransform } from './feature-transform.ts';

/**
 * A declared feature: one raw column and one named transform. The platform computes it with the same
 * code in the pipeline and at the endpoint.
 *
 * numeric, log1p: the number, ln(1 + x) · isMissing: 1 where the column is null ·
 * categorical: code in a vocabulary learned from the training rows, missing for an unseen value ·
 * dayOfWeek (Monday 1 … Sunday 7), month (1 … 12), hourOfDay (0 … 23): of a timestamp, UTC.
 */
export const DeclaredFeature = z.strictObject({
  transform: FeatureTransform,
  column: ColumnName,
  /** categorical: keep the most frequent values only. */
  maximumCategories: z.int().min(2).max(10_000).optional(),
});
export type DeclaredFeature = z.infer<typeof DeclaredFeature>;

export const FeatureName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,127}$/, {
  error:
    'a feature name has letters, digits and underscores and does not start with a digit; rename the feature',
});

/** What the model takes: features that the platform computes, or raw columns as they are. */
export const FeaturesSection = z
  .strictObject({
    declared: z
      .record(FeatureName, DeclaredFeature)
      .refine((features) => Object.keys(features).length > 0, {
        error: 'declare at least one feature',
      })
      .optional(),
    /** Raw columns, in this order: the model's own graph or Python computes the features. */
    inModel: z.array(ColumnName).min(1, { error: 'name at least one column' }).optional(),
  })
  .refine(({ declared, inModel }) => (declared === undefined) !== (inModel === undefined), {
    error:
      'takes exactly one of declared (features that the platform computes) and inModel (raw columns whose features the model computes itself)',
  });
export type FeaturesSection = z.infer<typeof FeaturesSection>;

/** The raw columns that a model reads, each once. */
export const readColumns = ({ declared = {}, inModel }: FeaturesSection): string[] =>
  inModel ?? [...new Set(Object.values(declared).map(({ column }) => column))];
