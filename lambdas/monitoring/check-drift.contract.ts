import * as z from 'zod';
import { DriftStatus, Quality } from '../../core/monitoring/drift-report.ts';

export const CheckDriftEnvironment = z.object({
  MODEL_NAME: z.string(),
  REGISTRY_TABLE: z.string(),
  DATA_BUCKET: z.string(),
  ARTIFACTS_BUCKET: z.string(),
  LAMBDA_TASK_ROOT: z.string(),
});

/** EventBridge's schedule, or a person with another instant to look back from. */
export const CheckDriftEvent = z.object({
  /** ISO 8601, UTC. */
  time: z.iso.datetime(),
});

export const CheckDriftResult = z.discriminatedUnion('outcome', [
  /** Nothing is live, or the live version was registered before there were profiles. */
  z.object({ outcome: z.enum(['no_live_version', 'no_profile']) }),
  z.object({
    outcome: z.literal('checked'),
    status: DriftStatus,
    drifted: z.array(z.string()),
    rows: z.int(),
    quality: Quality.shape.status,
    reportKey: z.string(),
  }),
]);

/**
 * In the namespace Slipway, with the dimension Model. What could not be judged for want of rows or labels
 * has no data point, so that an alarm keeps its state.
 */
export const CheckMetrics = {
  worstPsi: 'WorstFeaturePsi',
  driftedFeatures: 'DriftedFeatures',
  predictionPsi: 'PredictionPsi',
  /** How much worse than on the holdout, in the metric's units. */
  qualityDrop: 'QualityDrop',
  /** Share of the predictions old enough to have a label that have one. */
  labelCoverage: 'LabelCoverage',
  /** Of trainings, in UTC's month. */
  monthToDateCost: 'MonthToDateCostUsd',
} as const;
