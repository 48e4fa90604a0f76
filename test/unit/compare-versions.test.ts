import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compareVersions,
  type PairedRows,
  quantile,
  weightedMetric,
} from '../../core/training/compare-versions.ts';
import { metrics } from '../../core/training/metrics.ts';

/** Rows that NumPy was given too, by the same formula. */
function formulaRows(): PairedRows {
  const of = (make: (i: number) => number) => Array.from({ length: 240 }, (_, i) => make(i));
  const labels = of((i) => Number((i * 7919) % 97 < 38));
  const noise = (i: number, factor: number) => ((i * factor) % 101) / 101;
  const positive = (i: number) => labels[i] ?? 0;
  return {
    labels,
    production: of((i) => 0.25 + 0.25 * positive(i) * Number(i % 3 > 0) + 0.45 * noise(i, 37)),
    candidate: of((i) => 0.2 + 0.35 * positive(i) * Number(i % 4 > 0) + 0.405 * noise(i, 53)),
  };
}

/** Normal numbers with Mulberry32 and Box and Muller. */
function normals(seed: number): () => number {
  let state = seed >>> 0;
  const uniform = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return (((mixed ^ (mixed >>> 14)) >>> 0) + 0.5) / 2 ** 32;
  };
  return () => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

describe('the interval of a gain', () => {
  // numpy.quantile of the gains of 200,000 resamples (numpy.random.default_rng(1).multinomial); AUC by all
  // pairs of a positive and a negative row. NumPy 2.4.6.
  test.each([
    ['auc', 0.777105800058292, 0.8668026814339843, 0.01477579, 0.16561804],
    ['log_loss', 0.5917489332351021, 0.4990971411432297, 0.04642346, 0.13836649],
    ['rmse', 0.4530776802868146, 0.40243769216252273, 0.02601262, 0.07506487],
  ] as const)("of %s equals NumPy's", (metric, production, candidate, lower, upper) => {
    const options = { metric, confidence: 0.95, seed: 'numpy', resamples: 20_000 };
    const found = compareVersions(formulaRows(), options);
    expect(found.production).toBeCloseTo(production, 12);
    expect(found.candidate).toBeCloseTo(candidate, 12);
    expect(found.gain).toBeCloseTo(Math.abs(candidate - production), 12);
    // Four standard errors of a 2.5 % quantile of 20,000 draws are 0.012 of the gain's spread.
    const allowed = 0.025 * (upper - lower);
    expect(Math.abs(found.interval.lower - lower)).toBeLessThan(allowed);
    expect(Math.abs(found.interval.upper - upper)).toBeLessThan(allowed);
  });

  test('is wider the surer it has to be, and the same for the same seed', () => {
    const between = (confidence: number, seed = 'a') =>
      compareVersions(formulaRows(), { metric: 'auc', confidence, seed }).interval;
    expect(between(0.95)).toEqual(between(0.95));
    expect(between(0.95, 'b')).not.toEqual(between(0.95));
    expect(between(0.8).lower).toBeGreaterThan(between(0.95).lower);
    expect(between(0.8).upper).toBeLessThan(between(0.95).upper);
  });

  test('covers the true gain about as often as it says', () => {
    // Scores are normal, positive ones shifted: AUC is Φ(shift / √2). 0.5 and 0.8 give 0.6382 and 0.7142.
    const trueGain = 0.7142 - 0.6382;
    const normal = normals(20_260);
    const trials = 200;
    let covered = 0;
    for (let trial = 0; trial < trials; trial += 1) {
      const labels = Array.from({ length: 300 }, (_, i) => i % 2);
      const shared = labels.map(() => normal());
      const scores = (shift: number) =>
        labels.map((label, i) => shift * label + 0.8 * (shared[i] ?? 0) + 0.6 * normal());
      const rows = { labels, production: scores(0.5), candidate: scores(0.8) };
      const options = {
        metric: 'auc',
        confidence: 0.95,
        seed: `${trial}`,
        resamples: 300,
      } as const;
      const { lower, upper } = compareVersions(rows, options).interval;
      if (lower <= trueGain && trueGain <= upper) covered += 1;
    }
    expect(covered / trials).toBeGreaterThan(0.91);
    expect(covered / trials).toBeLessThan(0.99);
  });

  test('of one positive row among many is found, though most resamples may lack it', () => {
    const labels = Array.from({ length: 40 }, (_, i) => Number(i === 7));
    const up = labels.map((_, i) => i / 40);
    const rows = { labels, production: up, candidate: up.toReversed() };
    const { interval } = compareVersions(rows, { metric: 'auc', confidence: 0.95, seed: 's' });
    expect(Number.isFinite(interval.lower) && Number.isFinite(interval.upper)).toBe(true);
  });
});

const pairedRows = fc
  .array(
    fc.tuple(
      fc.constantFrom(0, 1),
      fc.integer({ min: 1, max: 9 }).map((n) => n / 10),
      fc.double({ min: 0, max: 1, noNaN: true }),
      fc.integer({ min: 0, max: 4 }),
    ),
    { minLength: 4, maxLength: 40 },
  )
  .filter(
    (rows) => new Set(rows.flatMap(([label, , , weight]) => (weight ? [label] : []))).size === 2,
  );

describe('properties of a comparison', () => {
  test('a metric with weights is the metric of rows that are repeated as often', () => {
    fc.assert(
      fc.property(
        pairedRows,
        fc.constantFrom('auc', 'log_loss', 'brier', 'rmse', 'mae'),
        (rows, metric) => {
          const weights = Uint16Array.from(rows, ([, , , weight]) => weight);
          const repeated = rows.flatMap((row) => Array<typeof row>(row[3]).fill(row));
          // The weights of a resample add up to the rows: scaled, where a mean divides by their number.
          const scale = metric === 'auc' ? 1 : repeated.length / rows.length;
          for (const column of [1, 2] as const) {
            const score = weightedMetric(
              metric,
              rows.map(([label]) => label),
              rows.map((row) => row[column]),
            );
            const expected = metrics[metric](
              repeated.map(([label]) => label),
              repeated.map((row) => row[column]),
            );
            const found = score(weights) / (metric === 'rmse' ? Math.sqrt(scale) : scale);
            expect(found).toBeCloseTo(expected, 10);
          }
        },
      ),
    );
  });

  test('what answers the same gains nothing, and changing sides changes the sign', () => {
    fc.assert(
      fc.property(pairedRows, fc.constantFrom('auc', 'log_loss', 'brier'), (rows, metric) => {
        const labels = rows.map(([label]) => label);
        const production = rows.map((row) => row[1]);
        const candidate = rows.map((row) => row[2]);
        const options = { metric, confidence: 0.9, seed: 'x', resamples: 50 } as const;
        const same = compareVersions({ labels, production, candidate: production }, options);
        expect(same).toMatchObject({ gain: 0, interval: { lower: 0, upper: 0 } });
        const forth = compareVersions({ labels, production, candidate }, options);
        const back = compareVersions(
          { labels, production: candidate, candidate: production },
          options,
        );
        expect(back.gain).toBeCloseTo(-forth.gain, 12);
        expect(back.interval.lower).toBeCloseTo(-forth.interval.upper, 12);
        expect(forth.interval.lower).toBeLessThanOrEqual(forth.interval.upper);
      }),
      { numRuns: 50 },
    );
  });

  test('quantiles are those of numpy.quantile', () => {
    const values = [1, 2, 4, 8, 16];
    const shares = [0, 0.1, 0.25, 0.6, 0.975, 1];
    const expected = [1, 1.4, 2, 5.6, 15.2, 16];
    for (const [i, share] of shares.entries()) {
      expect(quantile(values, share)).toBeCloseTo(expected[i] ?? Number.NaN, 12);
    }
  });
});
