import * as z from 'zod';
import { ColumnType } from '../model/column.ts';
import { FeatureTransform } from '../model/feature-transform.ts';

/** A declared feature with what it learned from the training rows. */
export const FittedFeature = z.strictObject({
  name: z.string(),
  transform: FeatureTransform,
  column: z.string(),
  columnType: ColumnType,
  kind: z.enum(['numeric', 'categorical']),
  /** categorical only: the code of a value is its place here; any other value is missing. */
  vocabulary: z.array(z.union([z.string(), z.number(), z.boolean()])).optional(),
});
export type FittedFeature = z.infer<typeof FittedFeature>;

export const InputColumn = z.strictObject({
  name: z.string(),
  type: ColumnType,
  /** Whoever computes with its values names none of them in a message. */
  sensitive: z.literal(true).optional(),
});
export type InputColumn = z.infer<typeof InputColumn>;

/**
 * features.json: what a model takes, in the order of its inputs, and the features that the log, drift and
 * comparisons see of a row.
 */
export const FeatureSpec = z
  .strictObject({
    model: z.string(),
    specHash: z.string(),
    /** features: one tensor of those below · columns: the raw columns as they are, and those below only watch. */
    input: z.enum(['features', 'columns']).default('features'),
    columns: z.array(InputColumn).min(1).optional(),
    features: z.array(FittedFeature),
  })
  .refine(({ input, columns }) => (input === 'columns') === (columns !== undefined), {
    path: ['columns'],
    error: "are there exactly where the input is 'columns'",
  })
  .refine(({ input, features }) => input === 'columns' || features.length > 0, {
    path: ['features'],
    error: 'has at least one feature',
  });
export type FeatureSpec = z.infer<typeof FeatureSpec>;

/** The raw columns that a model's answer depends on, each once. */
export const inputColumns = ({ columns, features }: FeatureSpec): string[] =>
  columns?.map(({ name }) => name) ?? [...new Set(features.map(({ column }) => column))];
