import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { costPer1000Predictions, type Measurement } from '../../core/inference/measurement.ts';
import { EvaluationSection } from '../../core/model/evaluation-section.ts';
import {
  type CandidateAnswers,
  Evaluation,
  evaluate,
  rejectionReasons,
} from '../../core/training/evaluation.ts';
import { auc, brier, logLoss, mae, rmse } from '../../core/training/metrics.ts';

/** Every pair of a positive and a negative row: 1 if ordered rightly, ½ if tied. */
function aucByPairs(labels: readonly number[], scores: readonly number[]): number {
  let pairs = 0;
  let won = 0;
  for (const [i, positive] of scores.entries()) {
    for (const [j, negative] of scores.entries()) {
      if (labels[i] !== 1 || labels[j] !== 0) continue;
      pairs += 1;
      if (positive > negative) won += 1;
      if (positive === negative) won += 0.5;
    }
  }
  return won / pairs;
}

const scoredRows = fc
  .array(
    fc.record({
      label: fc.constantFrom(0, 1),
      // Few distinct values, so that ties are common.
      score: fc.oneof(
        fc.integer({ min: 0, max: 5 }).map((n) => n / 5),
        fc.double({ min: 0, max: 1, noNaN: true }),
      ),
    }),
    { minLength: 2, maxLength: 60 },
  )
  .filter((rows) => new Set(rows.map(({ label }) => label)).size === 2)
  .map((rows) => ({
    labels: rows.map(({ label }): number => label),
    scores: rows.map(({ score }) => score),
  }));

describe('metrics', () => {
  // Computed with scikit-learn 1.9.1: roc_auc_score, log_loss, brier_score_loss,
  // mean_squared_error ** 0.5, mean_absolute_error.
  const labels = [0, 1, 1, 0, 1, 0, 0, 1, 0, 1, 0, 0];
  const scores = [0.1, 0.4, 0.35, 0.35, 0.8, 0.0, 0.6, 1.0, 0.35, 0.35, 0.2, 1.0];
  const truth = [3.0, -0.5, 2.0, 7.25, 1e6, 0.0];
  const guesses = [2.5, 0.0, 2.125, 8.0, 999998.5, -1e-3];

  test("equal scikit-learn's, with ties and with sure predictions that are wrong", () => {
    expect(auc(labels, scores)).toBeCloseTo(0.7285714285714286, 14);
    expect(logLoss(labels, scores)).toBeCloseTo(3.4490910460278315, 12);
    expect(brier(labels, scores)).toBeCloseTo(0.2416666666666667, 14);
    expect(rmse(truth, guesses)).toBeCloseTo(0.7447735673791509, 12);
    expect(mae(truth, guesses)).toBeCloseTo(0.5626666666666666, 12);
  });

  test('AUC is the share of rightly ordered pairs', () => {
    fc.assert(
      fc.property(scoredRows, (rows) => {
        expect(auc(rows.labels, rows.scores)).toBeCloseTo(aucByPairs(rows.labels, rows.scores), 12);
      }),
    );
  });

  test('AUC turns around with the scores and does not change under a rising function', () => {
    fc.assert(
      fc.property(scoredRows, ({ labels: y, scores: s }) => {
        const value = auc(y, s);
        expect(
          auc(
            y,
            s.map((score) => -score),
          ),
        ).toBeCloseTo(1 - value, 12);
        expect(
          auc(
            y,
            s.map((score) => score * 2),
          ),
        ).toBeCloseTo(value, 12);
      }),
    );
  });

  test('AUC of one prediction for all rows is one half, and NaN without both classes', () => {
    expect(auc([0, 1, 1], [0.3, 0.3, 0.3])).toBe(0.5);
    expect(auc([1, 1], [0.3, 0.4])).toBeNaN();
  });

  test('the mean is the best constant for brier and rmse, and the rate for log loss', () => {
    fc.assert(
      fc.property(
        scoredRows,
        fc.double({ min: 0.01, max: 0.99, noNaN: true }),
        ({ labels: y }, other) => {
          const rate = y.reduce((a, b) => a + b) / y.length;
          const constant = (value: number) => y.map(() => value);
          for (const metric of [logLoss, brier, rmse]) {
            expect(metric(y, constant(rate))).toBeLessThanOrEqual(
              metric(y, constant(other)) + 1e-12,
            );
          }
        },
      ),
    );
  });
});

describe('the gate', () => {
  const section = EvaluationSection.parse({
    task: 'binary_classification',
    metric: 'auc',
    holdout: { by: 'time', days: 1 },
    mustBeatBaselineBy: 0.02,
  });
  const measurement: Measurement = {
    memoryMb: 1_769,
    architecture: 'x64',
    single: { requests: 200, p50Ms: 1.5, p95Ms: 4, meanMs: 2 },
    batch: { rows: 50, requests: 20, p50Ms: 3 },
    loadMs: 120,
    modelBytes: 2_500_000,
    costPer1000PredictionsUsd: 0.0003,
  };
  const answers = (changes: Partial<CandidateAnswers> = {}): CandidateAnswers => ({
    labels: [0, 1, 0, 1],
    predictions: [0.1, 0.8, 0.4, 0.35],
    trainLabelMean: 0.3,
    paritySample: {
      input: { data: [1, null, 2, 3], shape: [2, 2] },
      output: { data: [0.25, 0.5], shape: [2, 1] },
      tolerance: 1e-6,
    },
    parityPredictions: [0.25, 0.5],
    production: { outcome: 'nothing_live' },
    slices: new Map(),
    measurement: { outcome: 'measured', measurement },
    seed: 'a training',
    ...changes,
  });

  test('passes a candidate that equals its trainer and beats the baseline, with all numbers', () => {
    const evaluation = evaluate(section, answers());
    expect(Evaluation.parse(JSON.parse(JSON.stringify(evaluation)))).toEqual(evaluation);
    expect(evaluation).toMatchObject({
      outcome: 'passed',
      rows: 4,
      metrics: { auc: 0.75 },
      baseline: { prediction: 0.3, metrics: { auc: 0.5 } },
      parity: { rows: 2, maximumAbsoluteDifference: 0, tolerance: 1e-6 },
    });
    expect(evaluation.rules.map(({ rule }) => rule)).toEqual([
      'parity',
      'holdout',
      'predictions',
      'baseline',
      'production',
      'latency',
      'size',
      'cost',
    ]);
    expect(evaluation.rules.slice(4).map(({ outcome }) => outcome)).toEqual(
      Array(4).fill('not_applied'),
    );
    expect(rejectionReasons(evaluation)).toEqual([]);
  });

  test('rejects predictions that differ from the trainer, naming the worst row', () => {
    const evaluation = evaluate(section, answers({ parityPredictions: [0.25, 0.500002] }));
    expect(evaluation.outcome).toBe('rejected');
    expect(rejectionReasons(evaluation)).toEqual([
      'ONNX Runtime gives 0.500002 where the trainer gave 0.5, in row 1 of 2 of the parity sample; at most 0.000001 apart is accepted',
    ]);
  });

  test('lets no trainer widen its own tolerance', () => {
    const { paritySample } = answers();
    const wide = { ...paritySample, tolerance: 1 };
    const changed = answers({ paritySample: wide, parityPredictions: [0.25, 0.6] });
    expect(evaluate(section, changed).outcome).toBe('rejected');
  });

  test.each([
    // By kind: how far off a prediction of 2 may be, and what is just too far.
    ['trees', 2.9e-6, 3.1e-6],
    ['linear', 2.9e-5, 3.1e-5],
    ['network', 2.009e-3, 2.011e-3],
    ['python', 2.009e-3, 2.011e-3],
    [undefined, 2.9e-6, 3.1e-6],
  ] as const)('lets a model of kind %s differ by %d, and not by %d', (kind, passing, failing) => {
    const paritySample = {
      input: { data: [1, 2], shape: [2, 1] as [number, number] },
      output: { data: [2, 0], shape: [2, 1] as [number, number] },
      tolerance: 1,
      relativeTolerance: 1,
    };
    const outcomeOf = (by: number) =>
      evaluate(
        section,
        answers({ paritySample, parityPredictions: [2 + by, 0], ...(kind && { kind }) }),
      ).outcome;
    expect([outcomeOf(passing), outcomeOf(-passing)]).toEqual(['passed', 'passed']);
    expect([outcomeOf(failing), outcomeOf(-failing)]).toEqual(['rejected', 'rejected']);
  });

  test('shows the row that is furthest beyond what it may differ by, and the largest difference', () => {
    const paritySample = {
      input: { data: [1, 2], shape: [2, 1] as [number, number] },
      output: { data: [1_000, 0.001], shape: [2, 1] as [number, number] },
      tolerance: 1e-5,
      relativeTolerance: 1e-3,
    };
    const parityPredictions = [1_000.5, 0.002];
    const changed = answers({ paritySample, parityPredictions, kind: 'network' });
    const evaluation = evaluate(section, changed);
    expect(evaluation.parity).toEqual({
      rows: 2,
      maximumAbsoluteDifference: 0.5,
      tolerance: 1e-5,
      relativeTolerance: 1e-3,
    });
    expect(rejectionReasons(evaluation)).toEqual([
      'ONNX Runtime gives 0.002 where the trainer gave 0.001, in row 1 of 2 of the parity sample; at most 0.00001 and 0.001 of the prediction apart is accepted',
    ]);
    const container = evaluate(section, { ...changed, runtime: 'container' });
    expect(rejectionReasons(container)[0]).toMatch(/^the container gives 0\.002/);
  });

  test('rejects a model that gives NaN, in the sample or on the holdout', () => {
    const inSample = evaluate(section, answers({ parityPredictions: [0.25, Number.NaN] }));
    expect(inSample).toMatchObject({
      outcome: 'rejected',
      parity: { maximumAbsoluteDifference: null },
    });
    const onHoldout = evaluate(section, answers({ predictions: [0.1, Number.NaN, 0.4, 0.3] }));
    expect(onHoldout).toMatchObject({ outcome: 'rejected', metrics: {} });
    expect(rejectionReasons(onHoldout)).toEqual([
      'the prediction of holdout row 1 is NaN, not a probability',
    ]);
  });

  test('rejects scores that are no probabilities', () => {
    const evaluation = evaluate(section, answers({ predictions: [0.1, 2.5, 0.4, 0.3] }));
    expect(rejectionReasons(evaluation)).toEqual([
      'the prediction of holdout row 1 is 2.5, not a probability',
    ]);
  });

  test('rejects a candidate that does not beat the baseline by the margin', () => {
    const weak = evaluate(section, answers({ predictions: [0.1, 0.1, 0.1, 0.1] }));
    expect(rejectionReasons(weak)).toEqual([
      "auc 0.5 against the baseline's 0.5: better by 0, at least 0.02 is required",
    ]);
    const noMargin = { ...section, mustBeatBaselineBy: 0 };
    expect(evaluate(noMargin, answers({ predictions: [0.1, 0.1, 0.1, 0.1] })).outcome).toBe(
      'rejected',
    );
  });

  test('a lower error is the better one in regression', () => {
    const regression = {
      ...section,
      task: 'regression',
      metric: 'rmse',
      mustBeatBaselineBy: 0.5,
    } as const;
    const good = answers({ labels: [1, 2, 3], predictions: [1, 2, 3.3], trainLabelMean: 2 });
    expect(evaluate(regression, good)).toMatchObject({ outcome: 'passed' });
    const bad = answers({ labels: [1, 2, 3], predictions: [5, 5, 5], trainLabelMean: 2 });
    expect(evaluate(regression, bad)).toMatchObject({ outcome: 'rejected' });
  });

  test('rejects where the holdout cannot tell: no rows, or one class only', () => {
    const oneClass = evaluate(section, answers({ labels: [0, 0, 0, 0] }));
    expect(rejectionReasons(oneClass)[0]).toMatch(
      /^the holdout has 0 positive rows of 4; it needs/,
    );
    expect(evaluate(section, answers({ labels: [], predictions: [] })).outcome).toBe('rejected');
  });

  describe('against the live version', () => {
    const rows = 400;
    const labels = Array.from({ length: rows }, (_, i) => i % 2);
    /** Ranks the rows up to `wrong`, from `first` on, the wrong way round. */
    const ranking = (wrong: number, first = 0) =>
      labels.map(
        (label, i) => (i >= first && i < wrong ? 1 - label : label) * 0.5 + ((i * 7) % 11) / 40,
      );
    const good = ranking(20);
    const bad = ranking(200);
    const production = (predictions: readonly number[]) =>
      ({ outcome: 'answered', version: 13, predictions }) as const;
    const judge = (changes: Partial<CandidateAnswers>, asked: Partial<EvaluationSection> = {}) =>
      evaluate({ ...section, ...asked }, answers({ labels, predictions: good, ...changes }));
    const ruleOf = (evaluation: Evaluation, name: string) =>
      evaluation.rules.find(({ rule }) => rule === name);

    test('passes one that is surely better, with both metrics and the interval', () => {
      const evaluation = judge({ production: production(bad) });
      expect(ruleOf(evaluation, 'production')).toMatchObject({ outcome: 'passed' });
      const { production: found } = evaluation;
      if (found.outcome !== 'compared') throw new Error('both answered');
      const { comparison } = found;
      expect(comparison).toMatchObject({
        rows,
        candidate: auc(labels, good),
        production: auc(labels, bad),
        gain: auc(labels, good) - auc(labels, bad),
      });
      expect(comparison.interval.lower).toBeGreaterThan(0);
      expect(comparison.interval.lower).toBeLessThan(comparison.gain);
      expect(comparison.interval.upper).toBeGreaterThan(comparison.gain);
    });

    test('rejects one that is worse, and one of which it cannot be told', () => {
      const worse = judge({ predictions: bad, production: production(good) });
      expect(worse.outcome).toBe('rejected');
      expect(rejectionReasons(worse).at(-1)).toMatch(
        /^auc \S+ against \S+ of version 13 on the same 400 rows: gain -\S+, 95 % interval -\S+ to -\S+; its lower end must be at least evaluation\.mustBeatProductionBy, which is 0$/,
      );
      // Right where the other is wrong and the other way round: 20 of its rows against 22.
      const unsure = judge({ predictions: good, production: production(ranking(42, 20)) });
      expect(unsure.production).toMatchObject({ comparison: { gain: expect.closeTo(0.005, 1) } });
      expect(ruleOf(unsure, 'production')?.outcome).toBe('failed');
    });

    test('a negative margin accepts one that is not much worse', () => {
      const same = { predictions: ranking(21), production: production(ranking(20)) };
      expect(judge(same).outcome).toBe('rejected');
      expect(judge(same, { mustBeatProductionBy: -0.05 }).outcome).toBe('passed');
    });

    test('an equal one gains exactly nothing and passes', () => {
      const evaluation = judge({ production: production(good) });
      expect(evaluation.outcome).toBe('passed');
      expect(evaluation.production).toMatchObject({
        comparison: { gain: 0, interval: { lower: 0, upper: 0 } },
      });
    });

    test('a live version that gives no probability is not comparable, and the rule fails', () => {
      const evaluation = judge({ production: production(good.map((p, i) => (i === 3 ? 7 : p))) });
      expect(evaluation.production).toMatchObject({ outcome: 'not_comparable', version: 13 });
      expect(rejectionReasons(evaluation)).toEqual([
        'not comparable with version 13, which is live: it answers 7 to holdout row 3; roll back, or approve the candidate by hand',
      ]);
    });

    test('slices are compared and decide nothing', () => {
      const slices = new Map([
        ['first', Array.from({ length: 100 }, (_, i) => i)],
        ['positives', labels.flatMap((label, i) => (label === 1 ? [i] : []))],
        ['none', []],
      ]);
      const evaluation = judge({ production: production(bad), slices });
      const [first, positives, none] = evaluation.slices;
      // Of the first hundred rows production ranks all the wrong way round.
      expect(first?.comparison?.production).toBeLessThan(0.5);
      expect(first?.comparison?.interval.lower).toBeGreaterThan(0);
      expect(positives).toEqual({ name: 'positives', rows: 200 });
      expect(none).toEqual({ name: 'none', rows: 0 });
      const worseInASlice = judge({
        predictions: good.map((p, i) => (i < 40 ? 1 - p : p)),
        production: production(bad),
        slices: new Map([['last', Array.from({ length: 40 }, (_, i) => i)]]),
      });
      expect(worseInASlice.outcome).toBe('passed');
    });
  });

  describe('limits in the serving runtime', () => {
    const limits = { p95LatencyMs: 4, modelSizeMb: 2.5, costPer1000PredictionsUsd: 0.0003 };
    const outcomes = (asked: EvaluationSection['limits'], changes = {}) =>
      evaluate({ ...section, limits: asked }, answers(changes)).rules.flatMap(
        ({ rule, outcome }) =>
          rule === 'latency' || rule === 'size' || rule === 'cost' ? [[rule, outcome]] : [],
      );

    test('hold where they are kept to the end, and each is broken on its own', () => {
      const passed = ['latency', 'size', 'cost'].map((rule) => [rule, 'passed']);
      expect(outcomes(limits)).toEqual(passed);
      for (const [i, limit] of Object.keys(limits).entries()) {
        const tighter = { ...limits, [limit]: limits[limit as keyof typeof limits] * 0.99 };
        expect(outcomes(tighter)).toEqual(
          passed.map(([rule, outcome], j) => [rule, i === j ? 'failed' : outcome]),
        );
      }
    });

    test('fail a candidate that could not be measured, only where there are any', () => {
      const changes = { measurement: { outcome: 'not_measured', reason: 'it gave NaN' } };
      expect(outcomes({}, changes).map(([, outcome]) => outcome)).toEqual(
        Array(3).fill('not_applied'),
      );
      expect(outcomes({ p95LatencyMs: 4 }, changes)[0]).toEqual(['latency', 'failed']);
    });

    test('cost of a task what its hours cost while it is never idle', () => {
      const task = { vcpu: 0.5, memoryMb: 1_024 };
      const hour = 0.5 * 0.04048 + 0.004445;
      // 360,000 requests of 10 ms fill an hour.
      expect(
        360 * costPer1000Predictions(10, { memoryMb: 1_024, architecture: 'x64', task }),
      ).toBeCloseTo(hour, 9);
    });

    test('cost what Lambda bills: whole milliseconds of memory, and each request', () => {
      const gigabyte = { memoryMb: 1_024, architecture: 'x64' };
      expect(costPer1000Predictions(1.2, gigabyte)).toBeCloseTo(2 * 0.0000166667 + 0.0002, 12);
      expect(costPer1000Predictions(0.2, { ...gigabyte, architecture: 'arm64' })).toBeCloseTo(
        0.0000133334 + 0.0002,
        12,
      );
    });
  });
});
