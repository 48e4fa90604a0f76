import type { MetricName } from '../model/evaluation-section.ts';

/** Numbers of a column: one label and one prediction per row, of the same length. */
export type Numbers = ArrayLike<number>;

function mean(count: number, term: (row: number) => number): number {
  let sum = 0;
  for (let row = 0; row < count; row++) sum += term(row);
  return sum / count;
}

const at = (values: Numbers, row: number): number => values[row] ?? Number.NaN;

/**
 * Area under the ROC curve: the probability that a positive row is scored above a negative one, ties
 * counted half. From the Mann-Whitney U of the positives' rank sum, equal scores sharing their mean
 * rank (Hanley and McNeil, 1982). Labels are 0 or 1; NaN where one of them does not occur.
 */
export function auc(labels: Numbers, scores: Numbers): number {
  const order = Float64Array.from({ length: scores.length }, (_, row) => row);
  order.sort((a, b) => at(scores, a) - at(scores, b));
  let positives = 0;
  let rankSum = 0;
  for (let start = 0; start < order.length; ) {
    const score = at(scores, at(order, start));
    let end = start;
    let positivesHere = 0;
    while (end < order.length && at(scores, at(order, end)) === score) {
      positivesHere += at(labels, at(order, end));
      end += 1;
    }
    // Ranks count from 1: the tied places start … end - 1 have the mean rank (start + 1 + end) / 2.
    rankSum += positivesHere * ((start + 1 + end) / 2);
    positives += positivesHere;
    start = end;
  }
  const negatives = order.length - positives;
  return (rankSum - (positives * (positives + 1)) / 2) / (positives * negatives);
}

/** A mean over rows is a metric of which each row has its own share. */
type MeanMetric = Exclude<MetricName, 'auc'>;

/**
 * What a row adds to each of the metrics that are means.
 *
 * log_loss: negative log-likelihood of a 0/1 label, -(y ln p + (1 - y) ln(1 - p)) (Good, 1952), with p
 * kept 2^-52 away from 0 and 1, as scikit-learn's log_loss does, so that a sure mistake costs finitely ·
 * brier: squared difference of a probability and its 0/1 label (Brier, 1950) · rmse: squared error, before
 * the root · mae: absolute error.
 */
export const rowLosses: Record<MeanMetric, (label: number, prediction: number) => number> = {
  log_loss: (label, prediction) => {
    const p = Math.min(Math.max(prediction, Number.EPSILON), 1 - Number.EPSILON);
    return label === 1 ? -Math.log(p) : -Math.log1p(-p);
  },
  brier: (label, prediction) => (prediction - label) ** 2,
  rmse: (label, prediction) => (prediction - label) ** 2,
  mae: (label, prediction) => Math.abs(prediction - label),
};

/** From the mean of the rows' losses to the metric: rmse and mae are in the label's unit. */
export const ofMeanLoss = (metric: MeanMetric, meanLoss: number): number =>
  metric === 'rmse' ? Math.sqrt(meanLoss) : meanLoss;

const meanMetric =
  (metric: MeanMetric) =>
  (labels: Numbers, predictions: Numbers): number => {
    const loss = rowLosses[metric];
    const total = mean(labels.length, (row) => loss(at(labels, row), at(predictions, row)));
    return ofMeanLoss(metric, total);
  };

export const logLoss = meanMetric('log_loss');
export const brier = meanMetric('brier');
export const rmse = meanMetric('rmse');
export const mae = meanMetric('mae');

export const metrics: Record<MetricName, (labels: Numbers, predictions: Numbers) => number> = {
  auc,
  log_loss: logLoss,
  brier,
  rmse,
  mae,
};
