import { z } from 'zod';
import { Column } from '../model/data-section.ts';
import { Task } from '../model/evaluation-section.ts';

/** signature.json: what a caller sends and gets, and the tensor between. */
export const Signature = z.strictObject({
  model: z.string(),
  task: Task,
  /** The raw columns that the features read: these fields, no others, make an instance. */
  inputs: z.array(Column.safeExtend({ name: z.string() })).min(1),
  /** May come along in an instance and is logged, but not read by the model. */
  passthrough: z.array(z.string()),
  tensor: z.strictObject({
    input: z.literal('features'),
    output: z.literal('prediction'),
    datatype: z.literal('FP32'),
    width: z.int().positive(),
  }),
});
export type Signature = z.infer<typeof Signature>;
