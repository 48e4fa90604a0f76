import * as z from 'zod';
import { sha256 } from '../canonical-json.ts';
import { higherIsBetter, type MetricName } from '../model/evaluation-section.ts';
import { metrics, type Numbers, ofMeanLoss, rowLosses } from './metrics.ts';

/** Two versions' answers to the same rows. */
export const Comparison = z.strictObject({
  rows: z.int().positive(),
  production: z.number(),
  candidate: z.number(),
  /** By how much the candidate is better, in the metric's unit; negative where it is worse. */
  gain: z.number(),
  /** Of the gain. */
  interval: z.strictObject({
    lower: z.number(),
    upper: z.number(),
    confidence: z.number(),
    resamples: z.int(),
  }),
});
export type Comparison = z.infer<typeof Comparison>;

/** One label and one prediction of each version per row, in the same order. */
export interface PairedRows {
  readonly labels: Numbers;
  readonly production: Numbers;
  readonly candidate: Numbers;
}

export interface ComparisonOptions {
  readonly metric: MetricName;
  readonly confidence: number;
  /** The same seed gives the same interval. */
  readonly seed: string;
  /** @default 1000 */
  readonly resamples?: number;
}

/** A metric of rows of which each counts as often as its weight says. */
type WeightedMetric = (weights: Uint16Array) => number;

const at = (values: Numbers, row: number): number => values[row] ?? Number.NaN;

/**
 * Area under the ROC curve with weights, one pass over the scores in their order: Mann-Whitney's U, ties
 * counted half. A place of the order holds its row, whether it is positive and whether its score ends there.
 */
function weightedAuc(labels: Numbers, scores: Numbers): WeightedMetric {
  const order = Float64Array.from({ length: labels.length }, (_, row) => row);
  order.sort((a, b) => at(scores, a) - at(scores, b));
  const places = Uint32Array.from(order, (row, place) => {
    const next = order[place + 1];
    const last = next === undefined || at(scores, next) !== at(scores, row);
    return row * 4 + (at(labels, row) === 1 ? 2 : 0) + (last ? 1 : 0);
  });
  return (weights) => {
    let [rightPairs, positives, negatives, tiedPositives, tiedNegatives] = [0, 0, 0, 0, 0];
    for (let i = 0; i < places.length; i += 1) {
      const place = places[i] as number;
      const weight = weights[place >>> 2] as number;
      if ((place & 2) !== 0) tiedPositives += weight;
      else tiedNegatives += weight;
      if ((place & 1) === 0) continue;
      rightPairs += tiedPositives * (negatives + tiedNegatives / 2);
      positives += tiedPositives;
      negatives += tiedNegatives;
      tiedPositives = 0;
      tiedNegatives = 0;
    }
    return rightPairs / (positives * negatives);
  };
}

function weightedMean(
  metric: Exclude<MetricName, 'auc'>,
  labels: Numbers,
  predictions: Numbers,
): WeightedMetric {
  const loss = rowLosses[metric];
  const losses = Float64Array.from({ length: labels.length }, (_, row) =>
    loss(at(labels, row), at(predictions, row)),
  );
  return (weights) => {
    let sum = 0;
    for (let row = 0; row < losses.length; row += 1) {
      sum += (weights[row] as number) * (losses[row] as number);
    }
    // The weights of a resample add up to the number of rows.
    return ofMeanLoss(metric, sum / losses.length);
  };
}

export const weightedMetric = (
  metric: MetricName,
  labels: Numbers,
  predictions: Numbers,
): WeightedMetric =>
  metric === 'auc' ? weightedAuc(labels, predictions) : weightedMean(metric, labels, predictions);

/**
 * Whole numbers from 0 to below 2^32, from a text: Chris Doty-Humphrey's sfc32, which passes PractRand.
 * The state comes from the text's SHA-256.
 */
function randomIntegers(seed: string): () => number {
  const hash = sha256(seed);
  let [a = 0, b = 0, c = 0, counter = 1] = [0, 8, 16, 24].map(
    (start) => Number.parseInt(hash.slice(start, start + 8), 16) | 0,
  );
  return () => {
    const sum = (((a + b) | 0) + counter) | 0;
    counter = (counter + 1) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    c |= 0;
    return sum >>> 0;
  };
}

/** Draws as many rows as there are, with repetition: how often each was drawn (multinomial weights). */
function resampler(rows: number, seed: string): () => Uint16Array {
  const next = randomIntegers(seed);
  const weights = new Uint16Array(rows);
  const scale = rows / 2 ** 32;
  return () => {
    weights.fill(0);
    for (let drawn = 0; drawn < rows; drawn += 1) {
      const row = Math.floor(next() * scale);
      weights[row] = (weights[row] as number) + 1;
    }
    return weights;
  };
}

/** Quantile of ascending values, between them linear, as NumPy has it by default (Hyndman and Fan's 7). */
export function quantile(ascending: Numbers, share: number): number {
  const place = (ascending.length - 1) * share;
  const below = Math.floor(place);
  const value = at(ascending, below);
  const above = ascending[below + 1] ?? value;
  return value + (place - below) * (above - value);
}

/** A resample without both classes has no AUC; it is drawn again. So many in a row do not happen. */
const drawsAtMost = 1_000;

function gains(rows: PairedRows, options: ComparisonOptions, resamples: number): Float64Array {
  const { metric, seed } = options;
  const production = weightedMetric(metric, rows.labels, rows.production);
  const candidate = weightedMetric(metric, rows.labels, rows.candidate);
  const draw = resampler(rows.labels.length, seed);
  const sign = higherIsBetter(metric) ? 1 : -1;
  const gain = (): number => {
    for (let attempt = 0; attempt < drawsAtMost; attempt += 1) {
      const weights = draw();
      const found = sign * (candidate(weights) - production(weights));
      if (!Number.isNaN(found)) return found;
    }
    throw new RangeError(`the ${metric} of ${rows.labels.length} rows cannot be resampled`);
  };
  return Float64Array.from({ length: resamples }, gain).sort();
}

/**
 * Compares a candidate with what is live on the same rows. The interval is the percentile bootstrap's
 * (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 13), paired: each resample of the
 * rows is scored by both, so that what is hard about a row cancels out. Time is linear in rows × resamples.
 * @throws RangeError where the metric cannot be computed of the rows.
 */
export function compareVersions(rows: PairedRows, options: ComparisonOptions): Comparison {
  const { metric, confidence, resamples = 1_000 } = options;
  const production = metrics[metric](rows.labels, rows.production);
  const candidate = metrics[metric](rows.labels, rows.candidate);
  const found = gains(rows, options, resamples);
  const tail = (1 - confidence) / 2;
  return {
    rows: rows.labels.length,
    production,
    candidate,
    gain: higherIsBetter(metric) ? candidate - production : production - candidate,
    interval: {
      lower: quantile(found, tail),
      upper: quantile(found, 1 - tail),
      confidence,
      resamples,
    },
  };
}
