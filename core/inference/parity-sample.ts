import { z } from 'zod';

const Shape = z.tuple([z.int().positive(), z.int().positive()]);

/**
 * parity.json, written by the trainer: rows of the model's input with the trainer's own predictions,
 * so that whatever loads the model can prove that it answers as the trainer did.
 */
export const ParitySample = z
  .object({
    /** Row-major; null = missing. */
    input: z.object({ data: z.array(z.number().nullable()), shape: Shape }),
    output: z.object({ data: z.array(z.number()), shape: Shape }),
    /** Largest absolute difference of a prediction that still counts as equal. */
    tolerance: z.number().positive(),
  })
  .refine(({ input }) => input.data.length === input.shape[0] * input.shape[1], {
    path: ['input', 'data'],
    error: 'must have as many values as its shape says',
  })
  .refine(
    ({ input, output }) =>
      output.data.length === output.shape[0] * output.shape[1] &&
      output.shape[0] === input.shape[0] &&
      output.shape[1] === 1,
    { path: ['output'], error: 'must have one prediction per row of the input' },
  );
export type ParitySample = z.infer<typeof ParitySample>;

/** The first rows of a sample's input as a tensor's data: NaN = missing. */
export const parityFeatures = (sample: ParitySample, rows = sample.input.shape[0]): Float32Array =>
  Float32Array.from(
    sample.input.data.slice(0, rows * sample.input.shape[1]),
    (value) => value ?? Number.NaN,
  );
