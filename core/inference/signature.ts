import * as z from 'zod';
import { Column } from '../model/column.ts';
import { ContainerProtocol } from '../model/container-protocol.ts';
import { Task } from '../model/task.ts';

export const SignatureColumn = Column.safeExtend({ name: z.string() });
export type SignatureColumn = z.infer<typeof SignatureColumn>;

/** signature.json: what a caller sends and gets, and the tensor between. */
export const Signature = z.strictObject({
  model: z.string(),
  task: Task,
  /** The raw columns that the features read: every instance has all of them. */
  inputs: z.array(SignatureColumn).min(1),
  /** May come along in an instance and are logged, but not read by the model: never the label. */
  passthrough: z.array(SignatureColumn),
  /** Name of what is predicted, so that a caller who sends it is told; versions from before it was kept have none. */
  label: z.string().optional(),
  /** The column, of either list, whose value names what a prediction is about. */
  entityKey: z.string().optional(),
  /** What computes an answer: ONNX Runtime in the function itself, or a container behind it. */
  runtime: z.enum(['onnx', 'container']).default('onnx'),
  /** Of a container: in what form it is asked. */
  protocol: ContainerProtocol.optional(),
  /** Of a model that takes features; one that takes raw columns has an input per column. */
  tensor: z
    .strictObject({
      input: z.literal('features'),
      output: z.literal('prediction'),
      datatype: z.literal('FP32'),
      width: z.int().positive(),
    })
    .optional(),
});
export type Signature = z.infer<typeof Signature>;
