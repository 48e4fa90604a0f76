import { z } from 'zod';
import { ColumnType } from '../model/data-section.ts';
import { DeclaredFeature } from '../model/features-section.ts';

/** A declared feature with what it learned from the training rows. */
export const FittedFeature = z.strictObject({
  name: z.string(),
  transform: DeclaredFeature.shape.transform,
  column: z.string(),
  columnType: ColumnType,
  kind: z.enum(['numeric', 'categorical']),
  /** categorical only: the code of a value is its place here; any other value is missing. */
  vocabulary: z.array(z.union([z.string(), z.number(), z.boolean()])).optional(),
});
export type FittedFeature = z.infer<typeof FittedFeature>;

/** features.json: everything that turns raw rows into the model's input, in the order of its columns. */
export const FeatureSpec = z.strictObject({
  model: z.string(),
  specHash: z.string(),
  features: z.array(FittedFeature).min(1),
});
export type FeatureSpec = z.infer<typeof FeatureSpec>;
