import type { Evaluation } from '../../core/training/evaluation.ts';

/** What the gate found of a candidate that passes; a test changes what it is about. */
export const anEvaluation = (changes: Partial<Evaluation> = {}): Evaluation => ({
  task: 'binary_classification',
  primaryMetric: 'auc',
  rows: 20,
  metrics: { auc: 0.7, log_loss: 0.6, brier: 0.2 },
  baseline: { prediction: 0.2, metrics: { auc: 0.5, log_loss: 0.7, brier: 0.25 } },
  parity: { rows: 2, maximumAbsoluteDifference: 0, tolerance: 1e-6 },
  production: { outcome: 'nothing_live' },
  slices: [],
  measurement: { outcome: 'not_measured', reason: 'nobody asked' },
  rules: [],
  outcome: 'passed',
  ...changes,
});
