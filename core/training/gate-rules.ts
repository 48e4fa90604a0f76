import * as z from 'zod';
import type { MeasurementResult } from '../inference/measurement.ts';
import { type ParitySample, parityTolerance } from '../inference/parity/parity-sample.ts';
import type { Signature } from '../inference/signature.ts';
import { type EvaluationSection, higherIsBetter } from '../model/evaluation-section.ts';
import type { Task } from '../model/task.ts';
import { Comparison } from './compare-versions.ts';
import type { Numbers } from './metrics.ts';

export const EvaluationRule = z.strictObject({
  rule: z.enum([
    'parity',
    'holdout',
    'predictions',
    'baseline',
    'production',
    'latency',
    'size',
    'cost',
  ]),
  /** not_applied: there is nothing to hold the candidate against. */
  outcome: z.enum(['passed', 'failed', 'not_applied']),
  /** What was found, in numbers. */
  text: z.string(),
});
export type EvaluationRule = z.infer<typeof EvaluationRule>;

/** Six significant digits: enough to compare, short enough to read. */
export const shown = (value: number): string => String(Number(value.toPrecision(6)));
/** A difference: its sign and three digits of it. */
export const shownGain = (value: number): string =>
  `${value < 0 ? '' : '+'}${Number(value.toPrecision(3))}`;
export const shownRows = (rows: number): string => rows.toLocaleString('en-US');

const judged = (passed: boolean): EvaluationRule['outcome'] => (passed ? 'passed' : 'failed');

/** What a trainer says its model is, in metrics.json. */
export const ModelKind = z.enum(['trees', 'linear', 'network', 'python']);
export type ModelKind = z.infer<typeof ModelKind>;

type Tolerance = Required<Pick<ParitySample, 'tolerance' | 'relativeTolerance'>>;

const float32: Tolerance = { tolerance: 1e-5, relativeTolerance: 1e-3 };
/**
 * No trainer may allow itself more. Trees give the same sums in both runtimes but for the rounding of an
 * answer to 32 bits; linear models may have a step in 32 bits; a network sums in another order.
 */
const largestTolerances: Readonly<Record<ModelKind, Tolerance>> = {
  trees: { tolerance: 1e-6, relativeTolerance: 1e-6 },
  linear: { tolerance: 1e-5, relativeTolerance: 1e-5 },
  network: float32,
  python: float32,
};

export interface ParityAnswers {
  readonly paritySample: ParitySample;
  /** @default trees */
  readonly kind?: ModelKind;
  /** @default onnx */
  readonly runtime?: Signature['runtime'];
  /** The candidate's predictions of the parity sample, by that. */
  readonly parityPredictions: Numbers;
}

function toleranceOf({ kind = 'trees', paritySample }: ParityAnswers): Tolerance {
  const { tolerance, relativeTolerance } = largestTolerances[kind];
  return {
    tolerance: Math.min(paritySample.tolerance, tolerance),
    relativeTolerance: Math.min(paritySample.relativeTolerance ?? 0, relativeTolerance),
  };
}

function comparedRows({ paritySample, parityPredictions }: ParityAnswers, allowed: Tolerance) {
  const rows = paritySample.output.data.map((expected, row) => {
    const found = parityPredictions[row] ?? Number.NaN;
    const difference = Math.abs(found - expected);
    return {
      row,
      expected,
      found,
      difference: Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference,
      atMost: parityTolerance(allowed, expected),
    };
  });
  const [first, ...others] = rows;
  if (!first) throw new RangeError('a parity sample has at least one row');
  const share = ({ difference, atMost }: typeof first) => difference / atMost;
  const worst = others.reduce((a, b) => (share(b) > share(a) ? b : a), first);
  const largest = rows.reduce((most, { difference }) => Math.max(most, difference), 0);
  return { rows: rows.length, worst, largest };
}

export function checkParity(answers: ParityAnswers) {
  const allowed = toleranceOf(answers);
  const { tolerance, relativeTolerance } = allowed;
  const { rows, worst, largest } = comparedRows(answers, allowed);
  const passed = worst.difference <= worst.atMost;
  const atMost = `at most ${tolerance}${relativeTolerance > 0 ? ` and ${relativeTolerance} of the prediction` : ''}`;
  const what = answers.runtime === 'container' ? 'the container' : 'ONNX Runtime';
  const text = passed
    ? `${what} equals the trainer on ${rows} rows within ${shown(largest)} (${atMost})`
    : `${what} gives ${worst.found} where the trainer gave ${worst.expected}, in row ${worst.row} of ${rows} of the parity sample; ${atMost} apart is accepted`;
  const maximumAbsoluteDifference = Number.isFinite(largest) ? largest : null;
  return {
    parity: {
      rows,
      maximumAbsoluteDifference,
      tolerance,
      ...(relativeTolerance > 0 && { relativeTolerance }),
    },
    rule: { rule: 'parity', outcome: judged(passed), text } satisfies EvaluationRule,
  };
}

/** Place of the first prediction that is none: -1 where all are finite and, of a classification, probabilities. */
export function firstNonPrediction(task: Task, predictions: Numbers): number {
  const isProbability = (value: number) => value >= 0 && value <= 1;
  const right = task === 'binary_classification' ? isProbability : Number.isFinite;
  return Array.prototype.findIndex.call(predictions, (value) => !right(value));
}

export function checkPredictions(
  task: Task,
  predictions: Numbers,
  of: 'holdout' | 'parity sample' = 'holdout',
): EvaluationRule {
  const kind = task === 'binary_classification' ? 'a probability' : 'a finite number';
  const at = firstNonPrediction(task, predictions);
  return {
    rule: 'predictions',
    outcome: judged(at === -1),
    text:
      at === -1
        ? `all ${predictions.length} predictions of the ${of} are ${kind}`
        : `the prediction of ${of} row ${at} is ${predictions[at]}, not ${kind}`,
  };
}

/** What the metrics need: rows, and of a classification both classes. */
export function checkHoldout(task: Task, labels: Numbers): EvaluationRule {
  const rows = labels.length;
  if (task === 'regression') {
    const text = `the holdout has ${rows} rows${rows > 0 ? '' : '; widen evaluation.holdout'}`;
    return { rule: 'holdout', outcome: judged(rows > 0), text };
  }
  const positives = Array.prototype.filter.call(labels, (label) => label === 1).length;
  const passed = positives > 0 && positives < rows;
  const counts = `the holdout has ${positives} positive rows of ${rows}`;
  return {
    rule: 'holdout',
    outcome: judged(passed),
    text: passed ? counts : `${counts}; it needs both classes, widen evaluation.holdout`,
  };
}

export function checkBaseline(
  section: Pick<EvaluationSection, 'metric' | 'mustBeatBaselineBy'>,
  value: number,
  reference: number,
): EvaluationRule {
  const { metric, mustBeatBaselineBy: margin } = section;
  const gain = higherIsBetter(metric) ? value - reference : reference - value;
  return {
    rule: 'baseline',
    outcome: judged(gain > 0 && gain >= margin),
    text: `${metric} ${shown(value)} against the baseline's ${shown(reference)}: better by ${shown(gain)}, at least ${margin} is required`,
  };
}

/** What the live version gave for the same rows. */
export const ProductionResult = z.discriminatedUnion('outcome', [
  z.strictObject({ outcome: z.literal('nothing_live') }),
  z.strictObject({ outcome: z.literal('not_comparable'), version: z.int(), reason: z.string() }),
  z.strictObject({
    outcome: z.literal('compared'),
    version: z.int(),
    /** Rows, both metrics, gain and interval. */
    comparison: Comparison,
  }),
]);
export type ProductionResult = z.infer<typeof ProductionResult>;

export const shownInterval = ({ confidence, lower, upper }: Comparison['interval']): string =>
  `${shown(confidence * 100)} % interval ${shownGain(lower)} to ${shownGain(upper)}`;

export function checkProduction(
  { metric, mustBeatProductionBy: margin }: EvaluationSection,
  production: ProductionResult,
): EvaluationRule {
  const rule = 'production';
  if (production.outcome === 'nothing_live') {
    const text = 'no version is live, so there is nothing to compare with';
    return { rule, outcome: 'not_applied', text };
  }
  const { version } = production;
  if (production.outcome === 'not_comparable') {
    const text = `not comparable with version ${version}, which is live: ${production.reason}`;
    return { rule, outcome: 'failed', text };
  }
  const { candidate, gain, interval, production: value, rows } = production.comparison;
  const passed = interval.lower >= margin;
  const required = passed
    ? `at least ${margin} is required`
    : `its lower end must be at least evaluation.mustBeatProductionBy, which is ${margin}`;
  return {
    rule,
    outcome: judged(passed),
    text: `${metric} ${shown(candidate)} against ${shown(value)} of version ${version} on the same ${shownRows(rows)} rows: gain ${shownGain(gain)}, ${shownInterval(interval)}; ${required}`,
  };
}

interface LimitedQuantity {
  readonly rule: 'latency' | 'size' | 'cost';
  readonly found: number;
  readonly limit: number | undefined;
  readonly unit: string;
  readonly what: string;
}

function checkLimit({ rule, found, limit, unit, what }: LimitedQuantity): EvaluationRule {
  const text = `${what} ${shown(found)} ${unit}`;
  if (limit === undefined) {
    return { rule, outcome: 'not_applied', text: `${text}; evaluation.limits sets no limit` };
  }
  const allowed = `at most ${limit} ${unit} is allowed`;
  return { rule, outcome: judged(found <= limit), text: `${text}; ${allowed}` };
}

/** Latency, size and cost against the limits, where there are any. */
export function checkLimits(
  { limits }: Pick<EvaluationSection, 'limits'>,
  result: MeasurementResult,
  runtime: Signature['runtime'] = 'onnx',
): EvaluationRule[] {
  const { costPer1000PredictionsUsd, modelSizeMb, p95LatencyMs } = limits;
  if (result.outcome === 'not_measured') {
    const limited = { latency: p95LatencyMs, size: modelSizeMb, cost: costPer1000PredictionsUsd };
    return (['latency', 'size', 'cost'] as const).map((rule) => ({
      rule,
      outcome: limited[rule] === undefined ? 'not_applied' : 'failed',
      text: `could not be measured: ${result.reason}`,
    }));
  }
  const { batch, costPer1000PredictionsUsd: cost, ...measurement } = result.measurement;
  const { architecture, containerMemoryMb, loadMs, memoryMb, modelBytes, single, task } =
    measurement;
  const container =
    containerMemoryMb === undefined ? '' : ` and a container of ${containerMemoryMb} MB`;
  const served = task ? `, for tasks of ${task.vcpu} vCPU and ${task.memoryMb} MB` : '';
  return [
    checkLimit({
      rule: 'latency',
      found: single.p95Ms,
      limit: p95LatencyMs,
      unit: 'ms',
      what: `in ${single.requests} requests of one row with ${memoryMb} MB (${architecture})${container}${served}, p50 ${shown(single.p50Ms)} ms, ${batch.rows} rows ${shown(batch.p50Ms)} ms, loaded in ${shown(loadMs)} ms; p95`,
    }),
    checkLimit({
      rule: 'size',
      found: modelBytes / 1e6,
      limit: modelSizeMb,
      unit: 'MB',
      what: `${runtime === 'onnx' ? 'model.onnx' : 'model.tar.gz'} has`,
    }),
    checkLimit({
      rule: 'cost',
      found: cost,
      limit: costPer1000PredictionsUsd,
      unit: 'USD',
      what: '1,000 predictions cost',
    }),
  ];
}
