import * as z from 'zod';
import { TimeSpan } from '../features/built-features.ts';
import { MeasurementResult } from '../inference/measurement.ts';
import { type EvaluationSection, MetricName, metricsOfTask } from '../model/evaluation-section.ts';
import { Task } from '../model/task.ts';
import { Comparison, compareVersions } from './compare-versions.ts';
import { Changes } from './data-changes.ts';
import {
  checkBaseline,
  checkHoldout,
  checkLimits,
  checkParity,
  checkPredictions,
  checkProduction,
  EvaluationRule,
  firstNonPrediction,
  type ParityAnswers,
  ProductionResult,
} from './gate-rules.ts';
import { metrics, type Numbers } from './metrics.ts';

const Metrics = z.partialRecord(MetricName, z.number());

/** The primary metric of some of the holdout's rows. */
export const SliceResult = z.strictObject({
  name: z.string(),
  rows: z.int().nonnegative(),
  /** Of the candidate; undefined where the rows have no such metric. */
  value: z.number().optional(),
  /** Against the live version, on the slice's rows. */
  comparison: Comparison.optional(),
});
export type SliceResult = z.infer<typeof SliceResult>;

/** evaluation.json: how good a candidate is on the holdout, and what the gate says of it. */
export const Evaluation = z.strictObject({
  task: Task,
  primaryMetric: MetricName,
  rows: z.int().nonnegative(),
  /** On the holdout; empty where they cannot be computed. */
  metrics: Metrics,
  /** One prediction for every row: the mean of the training rows' labels; null where there are none. */
  baseline: z.strictObject({ prediction: z.number().nullable(), metrics: Metrics }),
  parity: z.strictObject({
    rows: z.int(),
    /** null where the candidate gave no number. */
    maximumAbsoluteDifference: z.number().nullable(),
    /** Largest difference that is accepted: this, and that share of the trainer's prediction. */
    tolerance: z.number(),
    relativeTolerance: z.number().optional(),
  }),
  production: ProductionResult,
  slices: z.array(SliceResult),
  measurement: MeasurementResult,
  /** Event times of the training's and the holdout's rows. */
  timeSpan: TimeSpan.optional(),
  /** Against the live version's lineage; there is none without a live version. */
  changes: Changes.optional(),
  rules: z.array(EvaluationRule),
  outcome: z.enum(['passed', 'rejected']),
});
export type Evaluation = z.infer<typeof Evaluation>;

/** What the live version gave for the holdout's rows, in the same order. */
export type ProductionAnswers =
  | Exclude<ProductionResult, { outcome: 'compared' }>
  | { readonly outcome: 'answered'; readonly version: number; readonly predictions: Numbers };

/** What a candidate did. */
export interface CandidateAnswers extends ParityAnswers {
  /** Of the holdout, in the same order. */
  readonly labels: Numbers;
  readonly predictions: Numbers;
  /** Mean of the training rows' labels. */
  readonly trainLabelMean: number;
  readonly production: ProductionAnswers;
  /** Rows of the holdout that each slice has. */
  readonly slices: ReadonlyMap<string, readonly number[]>;
  readonly measurement: MeasurementResult;
  /** The same seed gives the same intervals. */
  readonly seed: string;
}

const measured = (task: Task, labels: Numbers, predictions: Numbers): z.infer<typeof Metrics> =>
  Object.fromEntries(
    metricsOfTask[task].map((name) => [name, metrics[name](labels, predictions)] as const),
  );

function compareWithProduction(
  section: EvaluationSection,
  { labels, predictions, production, seed }: CandidateAnswers,
): ProductionResult {
  if (production.outcome !== 'answered') return production;
  const { version } = production;
  const at = firstNonPrediction(section.task, production.predictions);
  if (at !== -1) {
    const reason = `it answers ${production.predictions[at]} to holdout row ${at}; roll back, or approve the candidate by hand`;
    return { outcome: 'not_comparable', version, reason };
  }
  const rows = { labels, production: production.predictions, candidate: predictions };
  const { metric, confidence } = section;
  return {
    outcome: 'compared',
    version,
    comparison: compareVersions(rows, { metric, confidence, seed }),
  };
}

const picked = (values: Numbers, rows: readonly number[]): Float64Array =>
  Float64Array.from(rows, (row) => values[row] ?? Number.NaN);

function evaluateSlice(
  section: EvaluationSection,
  answers: CandidateAnswers,
  comparable: boolean,
  [name, rows]: readonly [string, readonly number[]],
): SliceResult {
  const { metric, confidence, task } = section;
  const labels = picked(answers.labels, rows);
  if (checkHoldout(task, labels).outcome === 'failed') return { name, rows: rows.length };
  const candidate = picked(answers.predictions, rows);
  const found = { name, rows: rows.length, value: metrics[metric](labels, candidate) };
  if (!comparable || answers.production.outcome !== 'answered') return found;
  const production = picked(answers.production.predictions, rows);
  const seed = `${answers.seed} ${name}`;
  return {
    ...found,
    comparison: compareVersions({ labels, production, candidate }, { metric, confidence, seed }),
  };
}

/** What is known of a candidate whose holdout and predictions have metrics. */
function measureCandidate(section: EvaluationSection, answers: CandidateAnswers) {
  const { task, metric } = section;
  const { labels, predictions, trainLabelMean } = answers;
  const constant = new Float64Array(labels.length).fill(trainLabelMean);
  const found = measured(task, labels, predictions);
  const baseline = measured(task, labels, constant);
  const production = compareWithProduction(section, answers);
  const comparable = production.outcome === 'compared';
  return {
    metrics: found,
    baseline,
    production,
    slices: [...answers.slices].map((slice) => evaluateSlice(section, answers, comparable, slice)),
    rules: [
      checkBaseline(section, found[metric] ?? Number.NaN, baseline[metric] ?? Number.NaN),
      checkProduction(section, production),
    ],
  };
}

/** Without metrics there is nothing to compare. */
function nothingMeasured({ production }: CandidateAnswers) {
  const reason = 'the candidate has no metric on the holdout';
  const compared: ProductionResult =
    production.outcome === 'answered'
      ? { outcome: 'not_comparable', version: production.version, reason }
      : production;
  return { metrics: {}, baseline: {}, production: compared, slices: [], rules: [] };
}

/** Measures a candidate and applies every rule of the gate; each tells its numbers. */
export function evaluate(section: EvaluationSection, answers: CandidateAnswers): Evaluation {
  const { task, metric } = section;
  const { labels, predictions, trainLabelMean, measurement } = answers;
  const { parity, rule: parityRule } = checkParity(answers);
  const needed = [checkHoldout(task, labels), checkPredictions(task, predictions)];
  const measurable = needed.every(({ outcome }) => outcome === 'passed');
  const {
    rules: compared,
    baseline,
    ...found
  } = measurable ? measureCandidate(section, answers) : nothingMeasured(answers);
  const rules = [
    parityRule,
    ...needed,
    ...compared,
    ...checkLimits(section, measurement, answers.runtime),
  ];
  return {
    task,
    primaryMetric: metric,
    rows: labels.length,
    ...found,
    baseline: { prediction: trainLabelMean, metrics: baseline },
    parity,
    measurement,
    rules,
    outcome: outcomeOf(rules),
  };
}

const outcomeOf = (rules: readonly EvaluationRule[]): Evaluation['outcome'] =>
  rules.some(({ outcome }) => outcome === 'failed') ? 'rejected' : 'passed';

/**
 * What can be said of an import while no labelled rows have been dropped: whether it answers as its trainer
 * did, with numbers that are predictions, and whether it keeps the limits. How good it is stays unknown.
 * @param live the version that is live
 */
export function evaluateWithoutHoldout(
  section: EvaluationSection,
  answers: ParityAnswers & Pick<CandidateAnswers, 'measurement'>,
  live: number | undefined,
): Evaluation {
  const { task, metric } = section;
  const { measurement, parityPredictions } = answers;
  const { parity, rule: parityRule } = checkParity(answers);
  const reason = 'no labelled rows have been dropped to hold them against';
  const production: ProductionResult =
    live === undefined
      ? { outcome: 'nothing_live' }
      : { outcome: 'not_comparable', version: live, reason };
  const unknown = 'no labelled rows have been dropped, so how good it is is unknown';
  const rules: EvaluationRule[] = [
    parityRule,
    checkPredictions(task, parityPredictions, 'parity sample'),
    { rule: 'holdout', outcome: 'not_applied', text: unknown },
    ...(live === undefined
      ? []
      : [
          {
            rule: 'production',
            outcome: 'not_applied',
            text: `version ${live} is live: ${reason}`,
          } as const,
        ]),
    ...checkLimits(section, measurement),
  ];
  return {
    task,
    primaryMetric: metric,
    rows: 0,
    metrics: {},
    baseline: { prediction: null, metrics: {} },
    parity,
    production,
    slices: [],
    measurement,
    rules,
    outcome: outcomeOf(rules),
  };
}

/** A candidate with metrics can become a version, even a rejected one. */
export const isMeasured = ({ metrics: found, primaryMetric }: Evaluation): boolean =>
  found[primaryMetric] !== undefined;

/** Why a candidate was rejected; empty where it passed. */
export const rejectionReasons = ({ rules }: Pick<Evaluation, 'rules'>): string[] =>
  rules.filter(({ outcome }) => outcome === 'failed').map(({ text }) => text);
