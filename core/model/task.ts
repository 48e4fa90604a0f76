import * as z from 'zod';

export const Task = z.enum(['binary_classification', 'regression'], {
  error: "a model's task is one of binary_classification, regression",
});
export type Task = z.infer<typeof Task>;
