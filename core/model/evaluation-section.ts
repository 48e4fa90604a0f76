import * as z from 'zod';
import { ColumnName } from './column.ts';
import { Task } from './task.ts';

/** auc, log_loss, brier: binary_classification · rmse, mae: regression. */
export const MetricName = z.enum(['auc', 'log_loss', 'brier', 'rmse', 'mae'], {
  error: 'a metric is one of auc, log_loss, brier (binary_classification), rmse, mae (regression)',
});
export type MetricName = z.infer<typeof MetricName>;

/** The first is the one to look at where none is declared. */
export const metricsOfTask: Record<Task, readonly [MetricName, ...MetricName[]]> = {
  binary_classification: ['auc', 'log_loss', 'brier'],
  regression: ['rmse', 'mae'],
};

export const higherIsBetter = (metric: MetricName): boolean => metric === 'auc';

export const Holdout = z.discriminatedUnion('by', [
  /** The rows of the last days, by the event time. */
  z.strictObject({ by: z.literal('time'), days: z.number().positive() }),
  /** Whole groups, so that no group is on both sides; chosen by a hash of the column's value. */
  z.strictObject({ by: z.literal('group'), column: ColumnName, fraction: z.number().gt(0).lt(1) }),
  /** Rows where the column equals the value. */
  z.strictObject({
    by: z.literal('column'),
    column: ColumnName,
    value: z.union([z.string(), z.number(), z.boolean()]),
  }),
]);
export type Holdout = z.infer<typeof Holdout>;

/** Some of the rows, by the values of one raw column. */
export const Slice = z.strictObject({
  column: ColumnName,
  values: z.array(z.union([z.string(), z.number(), z.boolean()])).min(1),
});
export type Slice = z.infer<typeof Slice>;

/** What a candidate may need in the serving runtime; what is not set is measured and reported only. */
export const Limits = z.strictObject({
  /** Of a request with one row, in the function that serves it, without the network. */
  p95LatencyMs: z.number().positive().optional(),
  /** Of model.onnx or model.tar.gz; a megabyte is 1,000,000 bytes. */
  modelSizeMb: z.number().positive().optional(),
  costPer1000PredictionsUsd: z.number().positive().optional(),
});
export type Limits = z.infer<typeof Limits>;

export const EvaluationSection = z.strictObject({
  task: Task,
  metric: MetricName,
  holdout: Holdout,
  /**
   * By how much the metric must be better than the baseline's: the prediction of the training rows'
   * positive rate (binary_classification) or mean (regression) for every row.
   */
  mustBeatBaselineBy: z.number().min(0),
  /**
   * By how much the metric must be better than the live version's on the same rows: the lower end of the
   * gain's confidence interval must reach it. Negative: as much worse is accepted (non-inferiority margin).
   */
  mustBeatProductionBy: z.number().default(0),
  /** Of the interval, two-sided. */
  confidence: z.number().min(0.5).max(0.999).default(0.95),
  /** Parts of the holdout that are reported beside the whole; they decide nothing. */
  slices: z.record(ColumnName, Slice).default({}),
  limits: Limits.prefault({}),
});
export type EvaluationSection = z.infer<typeof EvaluationSection>;
