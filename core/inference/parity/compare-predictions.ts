import type { MetricName } from '../../model/evaluation-section.ts';
import type { Task } from '../../model/task.ts';
import { metrics } from '../../training/metrics.ts';
import { allowedDifference, type ModelKind, quantisedLimits } from './parity-tolerance.ts';

/** What the notebook predicted for a row, and what the version answered. */
export interface PredictionPair {
  readonly key: string;
  readonly expected: number;
  readonly actual: number;
  /** What turned out, where it is known. */
  readonly label?: number;
}

export interface ComparedRow extends PredictionPair {
  /** Absolute, of the numbers as they are. */
  readonly difference: number;
}

/** With the notebook's number as the version could answer it. */
interface JudgedRow extends ComparedRow {
  readonly answerable: number;
  readonly judged: number;
}

export interface Judgement {
  readonly kind: ModelKind;
  readonly task: Task;
  /** Of classification: a row is positive above it. */
  readonly threshold: number;
  readonly metric: MetricName;
}

export interface Comparison {
  readonly rows: number;
  readonly verdict: 'equal' | 'different';
  /** Why it is different, each in a sentence. */
  readonly reasons: readonly string[];
  /** Places of the rows that are further apart than the tolerance; of a quantised model, of those that flip. */
  readonly differing: readonly number[];
  readonly maximumDifference: number;
  /** Of predictions that are not 0. */
  readonly maximumRelativeDifference: number;
  /** Rows on two sides of the threshold; null of a regression. */
  readonly flips: number | null;
  /** The furthest apart first; none whose number is the notebook's in 32 bits. */
  readonly worst: readonly ComparedRow[];
  /** The metric by the notebook's and by the version's predictions, where all labels are known. */
  readonly metric: { readonly expected: number; readonly actual: number } | null;
}

const worstRows = 10;

/**
 * The notebook's prediction as the endpoint could give it: in 32 bits, which is all that a graph answers
 * with. What remains after that is a difference of the models and not of the notation.
 */
const asAnswered = (prediction: number): number => Math.fround(prediction);

const compared = (pair: PredictionPair): JudgedRow => {
  const answerable = asAnswered(pair.expected);
  return {
    ...pair,
    difference: Math.abs(pair.expected - pair.actual),
    answerable,
    judged: Math.abs(answerable - pair.actual),
  };
};

const isFlip = (threshold: number) => (row: JudgedRow) =>
  row.answerable > threshold !== row.actual > threshold;

/** The rows that are apart by more than notation, the furthest first. */
const furthest = (rows: readonly JudgedRow[]): ComparedRow[] =>
  rows
    .filter(({ judged }) => judged > 0)
    .sort((a, b) => b.difference - a.difference)
    .slice(0, worstRows)
    .map(({ answerable: _, judged: __, ...row }) => row);

function metricOf(rows: readonly JudgedRow[], name: MetricName): Comparison['metric'] {
  const labels = rows.flatMap(({ label }) => (label === undefined ? [] : [label]));
  if (rows.length === 0 || labels.length < rows.length) return null;
  const by = (values: readonly number[]) => metrics[name](labels, values);
  return {
    expected: by(rows.map(({ answerable }) => answerable)),
    actual: by(rows.map(({ actual }) => actual)),
  };
}

/** A quantised model is another model on purpose: what counts is how well it does. */
function quantisedReasons(
  { rows, flips, metric }: Pick<Comparison, 'rows' | 'flips' | 'metric'>,
  name: MetricName,
): string[] {
  const { flipShare, metricDifference } = quantisedLimits;
  const moved = metric ? Math.abs(metric.actual - metric.expected) : Number.NaN;
  return [
    ...(moved <= metricDifference
      ? []
      : [
          metric && !Number.isNaN(moved)
            ? `${name} moved by ${moved.toPrecision(3)}, and ${metricDifference} is allowed`
            : `${name} cannot be told from these rows: it needs their labels, of a classification both classes`,
        ]),
    ...(flips !== null && flips > flipShare * rows
      ? [`${flips} of ${rows} labels flip, and ${flipShare * 100} % is allowed`]
      : []),
  ];
}

/** Compares row by row; the verdict is about the rows given and no others. */
export function comparePredictions(
  pairs: readonly PredictionPair[],
  { kind, metric: name, task, threshold }: Judgement,
): Comparison {
  const rows = pairs.map(compared);
  const flipped = isFlip(threshold);
  const isDifferent = (row: JudgedRow) =>
    kind === 'quantised'
      ? task === 'binary_classification' && flipped(row)
      : // Written so that NaN counts as a difference.
        !(row.judged <= allowedDifference(kind, row.answerable));
  const differing = rows.flatMap((row, place) => (isDifferent(row) ? [place] : []));
  const flips = task === 'binary_classification' ? rows.filter(flipped).length : null;
  const metric = metricOf(rows, name);
  const reasons =
    kind === 'quantised'
      ? quantisedReasons({ rows: rows.length, flips, metric }, name)
      : differing.length > 0
        ? [`${differing.length} of ${rows.length} rows are further apart than the tolerance`]
        : [];
  return {
    rows: rows.length,
    verdict: reasons.length === 0 ? 'equal' : 'different',
    reasons,
    differing,
    maximumDifference: rows.reduce((most, { difference }) => Math.max(most, difference), 0),
    maximumRelativeDifference: rows.reduce(
      (most, { difference, expected }) =>
        expected === 0 ? most : Math.max(most, difference / Math.abs(expected)),
      0,
    ),
    flips,
    worst: furthest(rows),
    metric,
  };
}
