import * as z from 'zod';
import { Evaluation } from '../training/evaluation.ts';

/** metrics.json of a version: what the gate found on the holdout, and what the trainer says of itself. */
export const VersionMetrics = z.strictObject({
  task: Evaluation.shape.task,
  primary: Evaluation.shape.primaryMetric,
  rows: Evaluation.shape.rows,
  metrics: Evaluation.shape.metrics,
  baseline: Evaluation.shape.baseline,
  parity: Evaluation.shape.parity,
  /** Versions from before they were kept have neither. */
  production: Evaluation.shape.production.optional(),
  timeSpan: Evaluation.shape.timeSpan,
  training: z.record(z.string(), z.unknown()),
});
export type VersionMetrics = z.infer<typeof VersionMetrics>;

export const versionMetrics = (
  evaluation: Evaluation,
  training: Readonly<Record<string, unknown>>,
): VersionMetrics => {
  const { task, primaryMetric: primary, rows, metrics, baseline, parity } = evaluation;
  const { production, timeSpan } = evaluation;
  return {
    task,
    primary,
    rows,
    metrics,
    baseline,
    parity,
    production,
    ...(timeSpan && { timeSpan }),
    training: { ...training },
  };
};
