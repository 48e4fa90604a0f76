import * as z from 'zod';
import type { FeatureSpec } from '../../features/feature-spec.ts';
import { modelInput } from '../model-input.ts';
import type { ModelInput } from '../versions/loaded-version.ts';

const Shape = z.tuple([z.int().positive(), z.int().positive()]);
const RawValue = z.union([z.string(), z.number(), z.boolean(), z.null()]);

const FeatureInput = z
  .object({
    /** Row-major; null = missing. */
    data: z.array(z.number().nullable()),
    shape: Shape,
  })
  .refine(({ data, shape }) => data.length === shape[0] * shape[1], {
    path: ['data'],
    error: 'must have as many values as its shape says',
  });

const ColumnInput = z
  .object({
    /** By column, as callers send the values: timestamps as ISO 8601 text; null = missing. */
    columns: z.record(z.string(), z.array(RawValue)),
    rows: z.int().positive(),
  })
  .refine(({ columns, rows }) => Object.values(columns).every(({ length }) => length === rows), {
    path: ['columns'],
    error: 'must have a value per row in each column',
  });

/**
 * parity.json, written by the trainer: rows of the model's input with the trainer's own predictions,
 * so that whatever loads the model can prove that it answers as the trainer did.
 */
export const ParitySample = z
  .object({
    input: z.union([FeatureInput, ColumnInput]),
    output: z.object({ data: z.array(z.number()), shape: Shape }),
    /** Largest absolute difference of a prediction that still counts as equal. */
    tolerance: z.number().positive(),
    /** Of the trainer's prediction, added to it: as NumPy's allclose has it. */
    relativeTolerance: z.number().positive().max(1).optional(),
  })
  .refine(
    ({ input, output }) =>
      output.data.length === output.shape[0] * output.shape[1] &&
      output.shape[0] === rowsOf(input) &&
      output.shape[1] === 1,
    { path: ['output'], error: 'must have one prediction per row of the input' },
  );
export type ParitySample = z.infer<typeof ParitySample>;

const rowsOf = (input: z.infer<typeof FeatureInput> | z.infer<typeof ColumnInput>): number =>
  'rows' in input ? input.rows : input.shape[0];

/** How far a prediction may be from the trainer's of the same row. */
export const parityTolerance = (
  { tolerance, relativeTolerance = 0 }: Pick<ParitySample, 'tolerance' | 'relativeTolerance'>,
  expected: number,
): number => tolerance + relativeTolerance * Math.abs(expected);

/** What of a sample does not fit the spec of the model's input; undefined where all does. */
export function unfitSample(spec: FeatureSpec, { input }: ParitySample): string | undefined {
  if ('rows' in input) {
    const found = Object.keys(input.columns);
    if (!spec.columns) return `raw columns (${found.join(', ')})`;
    const wanted = spec.columns.map(({ name }) => name);
    const fits = wanted.length === found.length && wanted.every((name) => name in input.columns);
    return fits ? undefined : `the columns ${found.join(', ')}`;
  }
  const [, width] = input.shape;
  return spec.columns || width !== spec.features.length ? `a width of ${width}` : undefined;
}

/** The first rows of a sample as a model of this spec takes them. */
export function parityInput(
  spec: FeatureSpec,
  { input }: ParitySample,
  rows = rowsOf(input),
): ModelInput {
  if ('rows' in input) {
    const first = Object.entries(input.columns).map(([name, values]) => [
      name,
      values.slice(0, rows),
    ]);
    return modelInput(spec, { rows, columns: Object.fromEntries(first) });
  }
  const data = input.data.slice(0, rows * input.shape[1]);
  const features = Float32Array.from(data, (value) => value ?? Number.NaN);
  return { kind: 'features', rows, features };
}
