import * as z from 'zod';
import { MetricName } from '../model/evaluation-section.ts';
import { MonitoringSection } from '../model/monitoring-section.ts';

/** ok is only said of what had enough rows to be judged. */
export const DriftStatus = z.enum(['ok', 'drifted', 'insufficient_data']);
export type DriftStatus = z.infer<typeof DriftStatus>;

const Share = z.number().min(0).max(1);

/** One bar of a histogram: shares of the rows that have a value. */
export const DriftBar = z.strictObject({ label: z.string(), reference: Share, current: Share });
export type DriftBar = z.infer<typeof DriftBar>;

/** How the values of one thing are spread now, against the reference. */
export const Drift = z.strictObject({
  status: DriftStatus,
  /** What speaks for its status, in numbers. */
  text: z.string(),
  /** Rows with a value. */
  rows: z.strictObject({ reference: z.int(), current: z.int() }),
  /** null where there are too few rows. */
  shape: z
    .strictObject({
      psi: z.number(),
      /** Chi-square of the same cells, rare ones pooled. */
      pValue: Share,
      /** For the number of tests. */
      adjustedPValue: Share,
      cramersV: Share,
      jensenShannon: Share,
      /** Numbers only. */
      kolmogorovSmirnov: z.strictObject({ d: Share, pValue: Share }).optional(),
      /** Numbers only: how far the mass moved, in interquartile ranges; null where that range is 0. */
      wasserstein: z.number().nullable().optional(),
    })
    .nullable(),
  /** Of all rows; null where there are too few. */
  missing: z
    .strictObject({
      reference: Share,
      current: Share,
      pValue: Share,
      adjustedPValue: Share,
    })
    .nullable(),
  bars: z.array(DriftBar),
});
export type Drift = z.infer<typeof Drift>;

export const FeatureDrift = Drift.extend({
  name: z.string(),
  /** Calendar features are reported only. */
  alarmed: z.boolean(),
});
export type FeatureDrift = z.infer<typeof FeatureDrift>;

/** How good the answers turned out, by the labels that came, against the version's holdout. */
export const Quality = z.strictObject({
  /** dropped: the metric is worse for certain, and by at least what the policy allows. */
  status: z.enum(['ok', 'dropped', 'insufficient_data']),
  /** What speaks for its status, in numbers. */
  text: z.string(),
  metric: MetricName,
  /** Of the labelled predictions; null where they are too few, or the metric is not defined. */
  value: z.number().nullable(),
  standardError: z.number().nonnegative().nullable(),
  /** What the version is held to: its metric on its holdout, or that of the version before it on the same rows. */
  reference: z.number(),
  /**
   * How much worse than the reference, in the metric's units: 0 where it is not worse by more than three
   * standard errors; null where it could not be judged.
   */
  drop: z.number().nonnegative().nullable(),
  /** Labelled predictions of the live version in the window. */
  labels: z.int().nonnegative(),
  /** All of them. */
  predictions: z.int().nonnegative(),
  /** Which share has a label; null where there was no prediction. */
  coverage: Share.nullable(),
  /** Predictions that are old enough to have a label; the end does not belong to it. */
  window: z.strictObject({ from: z.string(), to: z.string() }),
});
export type Quality = z.infer<typeof Quality>;

/** reports/<model>/drift/<instant>.json */
export const DriftReport = z.strictObject({
  model: z.string(),
  /** The live version, whose profile is the reference and whose predictions are compared. */
  version: z.int().positive(),
  /** ISO 8601, UTC; so are the window's ends, the second of which does not belong to it. */
  checkedAt: z.string(),
  window: z.strictObject({ from: z.string(), to: z.string() }),
  rows: z.int().nonnegative(),
  /** Lines of the prediction log that are no prediction record. */
  unreadable: z.int().nonnegative(),
  policy: MonitoringSection,
  /** drifted where an alarmed feature is; ok where all alarmed ones are. */
  status: DriftStatus,
  drifted: z.array(z.string()),
  /** Largest index among the alarmed features; null where none could be judged. */
  worst: z.strictObject({ feature: z.string(), psi: z.number() }).nullable(),
  features: z.array(FeatureDrift),
  prediction: Drift,
  quality: Quality,
});
export type DriftReport = z.infer<typeof DriftReport>;

/** Names ascend with time. */
export const driftReportKey = (model: string, checkedAt: Date): string =>
  `${driftReportPrefix(model)}${checkedAt.toISOString().replace(/[-:]|\.\d+/g, '')}.json`;
export const driftReportPrefix = (model: string): string => `reports/${model}/drift/`;
