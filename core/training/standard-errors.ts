import type { MetricName } from '../model/evaluation-section.ts';
import { auc, type Numbers, rmse } from './metrics.ts';

const at = (values: Numbers, row: number): number => values[row] ?? Number.NaN;

/** Standard error of a mean, s / √n with Bessel's correction; two passes, so that it does not cancel out. */
function ofMean(count: number, term: (row: number) => number): number {
  let sum = 0;
  for (let row = 0; row < count; row += 1) sum += term(row);
  const mean = sum / count;
  let squares = 0;
  for (let row = 0; row < count; row += 1) squares += (term(row) - mean) ** 2;
  return Math.sqrt(squares / (count - 1) / count);
}

/**
 * Of an area under the ROC curve, from the area and the numbers of both classes alone (Hanley and McNeil
 * 1982, equation 1 with Q1 = A / (2 − A) and Q2 = 2 A² / (1 + A)).
 */
function hanleyMcNeil(area: number, positives: number, negatives: number): number {
  const twoPositives = area / (2 - area) - area ** 2;
  const twoNegatives = (2 * area ** 2) / (1 + area) - area ** 2;
  const sum = area * (1 - area) + (positives - 1) * twoPositives + (negatives - 1) * twoNegatives;
  return Math.sqrt(Math.max(sum, 0) / (positives * negatives));
}

function aucError(labels: Numbers, scores: Numbers): number {
  let positives = 0;
  for (let row = 0; row < labels.length; row += 1) positives += at(labels, row);
  return hanleyMcNeil(auc(labels, scores), positives, labels.length - positives);
}

const squaredError = (labels: Numbers, predictions: Numbers) => (row: number) =>
  (at(predictions, row) - at(labels, row)) ** 2;

/** Of a mean of the rows' losses. */
const logLossError = (labels: Numbers, predictions: Numbers): number =>
  ofMean(labels.length, (row) => {
    const p = Math.min(Math.max(at(predictions, row), Number.EPSILON), 1 - Number.EPSILON);
    return at(labels, row) === 1 ? -Math.log(p) : -Math.log1p(-p);
  });

const brierError = (labels: Numbers, predictions: Numbers): number =>
  ofMean(labels.length, squaredError(labels, predictions));

const maeError = (labels: Numbers, predictions: Numbers): number =>
  ofMean(labels.length, (row) => Math.abs(at(predictions, row) - at(labels, row)));

/** Of the root of a mean: the mean's error by the derivative of the root (the delta method). */
function rmseError(labels: Numbers, predictions: Numbers): number {
  const value = rmse(labels, predictions);
  if (value === 0) return 0;
  return ofMean(labels.length, squaredError(labels, predictions)) / (2 * value);
}

/** How far each metric of a sample is from the one of all rows there could be; NaN for fewer than two rows. */
export const standardErrors: Record<MetricName, (labels: Numbers, predictions: Numbers) => number> =
  {
    auc: aucError,
    log_loss: logLossError,
    brier: brierError,
    rmse: rmseError,
    mae: maeError,
  };
