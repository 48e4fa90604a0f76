import { higherIsBetter, type MetricName } from '../model/evaluation-section.ts';
import type { MonitoringSection } from '../model/monitoring-section.ts';
import type { Lineage } from '../registry/records.ts';
import { metrics, type Numbers } from '../training/metrics.ts';
import { standardErrors } from '../training/standard-errors.ts';
import type { Quality } from './drift-report.ts';

/** What is known of the predictions of a window. */
export interface LabelledWindow {
  readonly metric: MetricName;
  /** The metric that was promised (`promisedMetric`). */
  readonly reference: number;
  /** Of the labelled predictions, in the same order. */
  readonly labels: Numbers;
  readonly predictions: Numbers;
  /** How many predictions there were, with and without a label. */
  readonly predicted: number;
}

/**
 * What a version's answers are held to: its metric on the holdout, or that of the version whose place it took
 * on the same rows, where that was better. A version that was forced past its gate is found out so.
 */
export function promisedMetric(
  metric: MetricName,
  { value, production = value }: Pick<Lineage['metrics'], 'value' | 'production'>,
): number {
  return higherIsBetter(metric) ? Math.max(value, production) : Math.min(value, production);
}

/** A drop is certain beyond so many standard errors: by chance in one of 740 windows. */
const certainty = 3;

const shown = (value: number): string => String(Number(value.toPrecision(4)));

type Judgement = Pick<Quality, 'status' | 'text' | 'value' | 'standardError' | 'drop'>;

const unjudged = (text: string): Judgement => ({
  status: 'insufficient_data',
  text,
  value: null,
  standardError: null,
  drop: null,
});

function judge(
  { metric, reference, labels, predictions }: LabelledWindow,
  { maximumDrop }: MonitoringSection['quality'],
): Judgement {
  const value = metrics[metric](labels, predictions);
  const standardError = standardErrors[metric](labels, predictions);
  if (!Number.isFinite(value) || !Number.isFinite(standardError)) {
    return unjudged(
      `all ${labels.length} labels are ${labels[0]}; ${metric} needs labels of both classes`,
    );
  }
  const worse = higherIsBetter(metric) ? reference - value : value - reference;
  const isCertain = worse > certainty * standardError;
  const drop = isCertain ? worse : 0;
  const dropped = drop >= maximumDrop;
  const found = `${metric} ${shown(value)} of ${labels.length} labelled predictions against ${shown(reference)} on the holdout`;
  const how = isCertain
    ? `worse by ${shown(worse)}, ${dropped ? 'at least' : 'less than'} ${maximumDrop}`
    : `not worse by more than ${certainty} standard errors of ${shown(standardError)}`;
  return {
    status: dropped ? 'dropped' : 'ok',
    text: `${found}: ${how}`,
    value,
    standardError,
    drop,
  };
}

/** How good a version's predictions turned out, against its holdout. */
export function judgeQuality(
  window: LabelledWindow,
  policy: MonitoringSection['quality'],
): Omit<Quality, 'window'> {
  const { labels, metric, predicted, reference } = window;
  const judgement =
    labels.length < policy.minimumLabels
      ? unjudged(`${labels.length} labelled predictions; ${policy.minimumLabels} are needed`)
      : judge(window, policy);
  return {
    ...judgement,
    metric,
    reference,
    labels: labels.length,
    predictions: predicted,
    coverage: predicted === 0 ? null : Math.min(labels.length / predicted, 1),
  };
}
