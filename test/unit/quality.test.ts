import { describe, expect, it } from 'vitest';
import type { MetricName } from '../../core/model/evaluation-section.ts';
import { judgeQuality, promisedMetric } from '../../core/monitoring/judge-quality.ts';
import { metrics } from '../../core/training/metrics.ts';
import { standardErrors } from '../../core/training/standard-errors.ts';

/** Numbers in (0, 1): mulberry32. */
function uniforms(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
}

const classes = [0, 0, 1, 1, 1, 0, 1, 0, 0, 1];
const scores = [0.1, 0.4, 0.35, 0.8, 0.65, 0.2, 0.9, 0.55, 0.05, 0.7];
const numbers = [10, 12.5, 9, 14, 20, 18.25, 7, 11, 13, 16];
const guesses = [11, 12, 9.5, 15, 17, 18, 8.5, 10, 13.25, 15];

describe('the standard error of a metric', () => {
  // NumPy 2.4 and SciPy 1.17: stats.sem of the rows' losses; AUC by counting pairs.
  const oracle: [MetricName, readonly number[], readonly number[], number][] = [
    ['log_loss', classes, scores, 0.10284058840623476],
    ['brier', classes, scores, 0.04448782605013046],
    ['auc', classes, scores, 0.0972572000571832],
    ['mae', numbers, guesses, 0.2554951619459315],
    ['rmse', numbers, guesses, 0.3372311475740908],
  ];
  it.each(oracle)('%s is what SciPy says', (metric, labels, predictions, expected) => {
    expect(standardErrors[metric](labels, predictions)).toBeCloseTo(expected, 12);
  });

  it.each(['auc', 'log_loss', 'brier', 'rmse', 'mae'] as const)(
    'of %s is how far the metric of many samples spreads',
    (metric) => {
      const random = uniforms(7);
      const values: number[] = [];
      const errors: number[] = [];
      for (let sample = 0; sample < 400; sample += 1) {
        const predictions = Array.from({ length: 300 }, () => random());
        const labels = predictions.map((p) => Number(random() < p));
        values.push(metrics[metric](labels, predictions));
        errors.push(standardErrors[metric](labels, predictions));
      }
      const mean = values.reduce((a, b) => a + b) / values.length;
      const spread = Math.sqrt(values.reduce((sum, v) => sum + (v - mean) ** 2, 0) / 399);
      const told = errors.reduce((a, b) => a + b) / errors.length;
      // Of 400 samples the spread itself is known within 3.5 %; Hanley and McNeil err on the safe side.
      expect(told / spread).toBeGreaterThan(0.88);
      expect(told / spread).toBeLessThan(metric === 'auc' ? 1.3 : 1.12);
    },
  );
});

const policy = { minimumLabels: 500, maximumDrop: 0.05 };

/** A window whose scores are as good as the mix of truth and chance. */
function window(rows: number, truth: number, reference: number) {
  const random = uniforms(rows);
  const predictions = Array.from({ length: rows }, () => random());
  const labels = predictions.map((p) => Number(random() < (random() < truth ? p : 0.5)));
  return { metric: 'auc' as const, reference, labels, predictions, predicted: rows * 2 };
}

describe('what answers are held to', () => {
  it.each([
    ['auc', { value: 0.6, production: 0.62 }, 0.62],
    ['auc', { value: 0.6, production: 0.58 }, 0.6],
    ['auc', { value: 0.6 }, 0.6],
    ['rmse', { value: 3, production: 2.5 }, 2.5],
    ['rmse', { value: 3, production: 3.5 }, 3],
  ] as const)('is the better of both: %s of %o', (metric, found, expected) => {
    expect(promisedMetric(metric, found)).toBe(expected);
  });
});

describe('realised quality', () => {
  it('is not judged of fewer labels than the policy asks for, and says how many there are', () => {
    expect(judgeQuality(window(499, 1, 0.83), policy)).toMatchObject({
      status: 'insufficient_data',
      text: '499 labelled predictions; 500 are needed',
      value: null,
      standardError: null,
      drop: null,
      coverage: 0.5,
    });
  });

  it('is ok where it is as good as on the holdout', () => {
    const judged = judgeQuality(window(2_000, 1, 0.83), policy);
    expect(judged).toMatchObject({ status: 'ok', drop: 0, labels: 2_000, predictions: 4_000 });
    expect(judged.value).toBeGreaterThan(0.8);
  });

  it('has dropped where it is worse for certain and by as much as the policy allows', () => {
    const judged = judgeQuality(window(2_000, 0, 0.83), policy);
    expect(judged.status).toBe('dropped');
    expect(judged.drop).toBeCloseTo(0.83 - (judged.value ?? 0), 12);
    expect(judged.text).toMatch(/against 0\.83 on the holdout: worse by 0\.3\d+, at least 0\.05$/);
  });

  it('has not dropped where a difference as large can be chance', () => {
    const few = window(60, 1, 1);

    const judged = judgeQuality(few, { ...policy, minimumLabels: 30 });
    expect((judged.value ?? 1) + 0.05).toBeLessThan(1);
    expect(judged).toMatchObject({ status: 'ok', drop: 0 });
  });

  it('tells a drop that is certain but small, without alarm', () => {
    const judged = judgeQuality(window(60_000, 1, 0.86), policy);
    expect(judged).toMatchObject({ status: 'ok' });
    expect(judged.drop).toBeGreaterThan(0);
    expect(judged.drop).toBeLessThan(0.05);
  });

  it('of a loss is worse where it is larger', () => {
    const labels = Array.from({ length: 600 }, (_, i) => i % 7);
    const predictions = labels.map((label, i) => label + (i % 2 === 0 ? 2 : -2));
    const window = { metric: 'mae' as const, labels, predictions, predicted: 600 };
    expect(judgeQuality({ ...window, reference: 1 }, policy)).toMatchObject({
      status: 'dropped',
      drop: 1,
    });
    expect(judgeQuality({ ...window, reference: 3 }, policy)).toMatchObject({
      status: 'ok',
      drop: 0,
    });
  });

  it('is not judged where the metric is not defined, whatever the number of labels', () => {
    const ones = { ...window(900, 1, 0.8), labels: new Array<number>(900).fill(1) };
    expect(judgeQuality(ones, policy)).toMatchObject({
      status: 'insufficient_data',
      text: 'all 900 labels are 1; auc needs labels of both classes',
      drop: null,
    });
  });

  it('has no coverage where nothing was predicted', () => {
    const nothing = { ...window(1, 1, 0.8), labels: [], predictions: [], predicted: 0 };
    expect(judgeQuality(nothing, policy)).toMatchObject({ coverage: null, labels: 0 });
  });
});

describe('windows that are as good as the holdout', () => {
  it.each([
    ['auc', 500],
    ['log_loss', 500],
    ['brier', 2_000],
  ] as const)('by %s, of %d labels, never drop, and rarely seem to', (metric, rows) => {
    const scored = (random: () => number, count: number) => {
      const predictions = Array.from({ length: count }, () => random() ** 2);
      const labels = predictions.map((p) => Number(random() < p));
      return { labels, predictions };
    };
    const holdout = scored(uniforms(1), 200_000);
    const reference = metrics[metric](holdout.labels, holdout.predictions);
    let alarms = 0;
    let certain = 0;
    for (let seed = 0; seed < 1_000; seed += 1) {
      const found = scored(uniforms(1_000 + seed), rows);
      const judged = judgeQuality({ metric, reference, ...found, predicted: rows }, policy);
      if (judged.status === 'dropped') alarms += 1;
      if ((judged.drop ?? 0) > 0) certain += 1;
    }
    console.log(
      `1000 windows of ${rows} labels, ${metric}: ${alarms} alarms, ${certain} certain drops`,
    );
    // Beyond three standard errors on one side are 1.35 of a thousand; more than 8 would be once in 10,000.
    expect(certain).toBeLessThanOrEqual(8);
    expect(alarms).toBe(0);
  });
});
