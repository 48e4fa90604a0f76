import { z } from 'zod';
import type { ParitySample } from '../inference/parity-sample.ts';
import {
  type EvaluationSection,
  higherIsBetter,
  MetricName,
  metricsOfTask,
  Task,
} from '../model/evaluation-section.ts';
import { metrics, type Numbers } from './metrics.ts';

const Metrics = z.partialRecord(MetricName, z.number());

export const EvaluationRule = z.strictObject({
  rule: z.enum(['parity', 'predictions', 'holdout', 'baseline']),
  passed: z.boolean(),
  /** What was found, in numbers. */
  text: z.string(),
});
export type EvaluationRule = z.infer<typeof EvaluationRule>;

/** evaluation.json: how good a candidate is on the holdout, and what the gate says of it. */
export const Evaluation = z.strictObject({
  task: Task,
  primaryMetric: MetricName,
  rows: z.int().nonnegative(),
  /** On the holdout; empty where they cannot be computed. */
  metrics: Metrics,
  /** One prediction for every row: the mean of the training rows' labels. */
  baseline: z.strictObject({ prediction: z.number(), metrics: Metrics }),
  parity: z.strictObject({
    rows: z.int(),
    /** null where the candidate gave no number. */
    maximumAbsoluteDifference: z.number().nullable(),
    tolerance: z.number(),
  }),
  rules: z.array(EvaluationRule),
  outcome: z.enum(['passed', 'rejected']),
});
export type Evaluation = z.infer<typeof Evaluation>;

/** What a candidate did. */
export interface CandidateAnswers {
  /** Of the holdout, in the same order. */
  readonly labels: Numbers;
  readonly predictions: Numbers;
  /** Mean of the training rows' labels. */
  readonly trainLabelMean: number;
  readonly paritySample: ParitySample;
  /** ONNX Runtime's predictions of the parity sample. */
  readonly parityPredictions: Numbers;
}

/** No trainer may allow itself more: trees give the same sums in both runtimes but for rounding. */
const largestTolerance = 1e-6;

/** Six significant digits: enough to compare, short enough to read. */
const shown = (value: number): string => String(Number(value.toPrecision(6)));

function comparedRows({ paritySample, parityPredictions }: CandidateAnswers) {
  const rows = paritySample.output.data.map((expected, row) => {
    const found = parityPredictions[row] ?? Number.NaN;
    const difference = Math.abs(found - expected);
    return {
      row,
      expected,
      found,
      difference: Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference,
    };
  });
  const [first, ...others] = rows;
  if (!first) throw new RangeError('a parity sample has at least one row');
  const worst = others.reduce((a, b) => (b.difference > a.difference ? b : a), first);
  return { rows: rows.length, worst };
}

function checkParity(answers: CandidateAnswers) {
  const { rows, worst } = comparedRows(answers);
  const tolerance = Math.min(answers.paritySample.tolerance, largestTolerance);
  const passed = worst.difference <= tolerance;
  const text = passed
    ? `ONNX Runtime equals the trainer on ${rows} rows within ${shown(worst.difference)} (at most ${tolerance})`
    : `ONNX Runtime gives ${worst.found} where the trainer gave ${worst.expected}, in row ${worst.row} of ${rows} of the parity sample; at most ${tolerance} apart is accepted`;
  const maximumAbsoluteDifference = Number.isFinite(worst.difference) ? worst.difference : null;
  return {
    parity: { rows, maximumAbsoluteDifference, tolerance },
    rule: { rule: 'parity', passed, text } satisfies EvaluationRule,
  };
}

const firstRow = (values: Numbers, wrong: (value: number) => boolean): number =>
  Array.prototype.findIndex.call(values, wrong);

/** Predictions are numbers and, of a classification, probabilities. */
function checkPredictions(task: Task, { predictions }: CandidateAnswers): EvaluationRule {
  const isProbability = (value: number) => value >= 0 && value <= 1;
  const right = task === 'binary_classification' ? isProbability : Number.isFinite;
  const kind = task === 'binary_classification' ? 'a probability' : 'a finite number';
  const at = firstRow(predictions, (value) => !right(value));
  return {
    rule: 'predictions',
    passed: at === -1,
    text:
      at === -1
        ? `all ${predictions.length} predictions of the holdout are ${kind}`
        : `the prediction of holdout row ${at} is ${predictions[at]}, not ${kind}`,
  };
}

/** What the metrics need: rows, and of a classification both classes. */
function checkHoldout(task: Task, { labels }: CandidateAnswers): EvaluationRule {
  const rows = labels.length;
  if (task === 'regression') {
    const text = `the holdout has ${rows} rows${rows > 0 ? '' : '; widen evaluation.holdout'}`;
    return { rule: 'holdout', passed: rows > 0, text };
  }
  const positives = Array.prototype.filter.call(labels, (label) => label === 1).length;
  const passed = positives > 0 && positives < rows;
  const counts = `the holdout has ${positives} positive rows of ${rows}`;
  return {
    rule: 'holdout',
    passed,
    text: passed ? counts : `${counts}; it needs both classes, widen evaluation.holdout`,
  };
}

const measured = (task: Task, labels: Numbers, predictions: Numbers): z.infer<typeof Metrics> =>
  Object.fromEntries(
    metricsOfTask[task].map((name) => [name, metrics[name](labels, predictions)] as const),
  );

function checkBaseline(
  section: EvaluationSection,
  found: z.infer<typeof Metrics>,
  baseline: z.infer<typeof Metrics>,
): EvaluationRule {
  const { metric, mustBeatBaselineBy: margin } = section;
  const value = found[metric] ?? Number.NaN;
  const reference = baseline[metric] ?? Number.NaN;
  const gain = higherIsBetter(metric) ? value - reference : reference - value;
  return {
    rule: 'baseline',
    passed: gain > 0 && gain >= margin,
    text: `${metric} ${shown(value)} against the baseline's ${shown(reference)}: better by ${shown(gain)}, at least ${margin} is required`,
  };
}

/** Measures a candidate and applies every rule of the gate; each tells its numbers. */
export function evaluate(section: EvaluationSection, answers: CandidateAnswers): Evaluation {
  const { task, metric } = section;
  const { labels, predictions, trainLabelMean } = answers;
  const { parity, rule: parityRule } = checkParity(answers);
  const rules = [parityRule, checkHoldout(task, answers), checkPredictions(task, answers)];
  const measurable = rules.every(({ rule, passed }) => rule === 'parity' || passed);
  const constant = new Float64Array(labels.length).fill(trainLabelMean);
  const found = measurable ? measured(task, labels, predictions) : {};
  const baseline = measurable ? measured(task, labels, constant) : {};
  if (measurable) rules.push(checkBaseline(section, found, baseline));
  return {
    task,
    primaryMetric: metric,
    rows: labels.length,
    metrics: found,
    baseline: { prediction: trainLabelMean, metrics: baseline },
    parity,
    rules,
    outcome: rules.every(({ passed }) => passed) ? 'passed' : 'rejected',
  };
}

/** Why a candidate was rejected; empty where it passed. */
export const rejectionReasons = ({ rules }: Evaluation): string[] =>
  rules.filter(({ passed }) => !passed).map(({ text }) => text);
