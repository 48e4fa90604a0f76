import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { computeFeatureColumns } from '../../core/features/compute-features.ts';
import { fitFeatures } from '../../core/features/fit-features.ts';
import type { RawColumns } from '../../core/features/raw-values.ts';
import type { MonitoringSection } from '../../core/model/monitoring-section.ts';
import { DriftReport } from '../../core/monitoring/drift-report.ts';
import { judgeDrift, type WindowCounts } from '../../core/monitoring/judge-drift.ts';
import { judgeQuality } from '../../core/monitoring/judge-quality.ts';
import {
  type CellCounts,
  type Cells,
  type CellValue,
  cellCounter,
  featureValue,
  mergeCounts,
  ReferenceProfile,
} from '../../core/monitoring/profile.ts';
import { trainingProfiler } from '../../core/monitoring/profile-training-rows.ts';
import { quantileCells } from '../../core/monitoring/quantile-cells.ts';
import flightDelay from '../../models/flight-delay/model.ts';

const policy: MonitoringSection = flightDelay.monitoring;

/** Numbers in (0, 1): xorshift, seeded. */
function uniforms(seed: number): () => number {
  let state = seed * 2_654_435_761 + 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return ((state >>> 0) + 0.5) / 2 ** 32;
  };
}

/** Airports by Zipf's law, distances that depend on them, dates over a month: flights, roughly. */
interface Flights {
  readonly columns: RawColumns;
  readonly rows: number;
}
function flights(seed: number, rows: number, west = 0): Flights {
  const random = uniforms(seed);
  for (let i = 0; i < 20; i += 1) random();
  const airport = (many: number) =>
    `A${Math.floor(many ** random()) + (random() < west ? 500 : 0)}`;
  const origin = Array.from({ length: rows }, () => airport(18));
  const destination = Array.from({ length: rows }, () => airport(200));
  const distance = Array.from({ length: rows }, () =>
    Math.round(100 + 600 * Math.exp(random() + random() + random() - 1.5) * (1 + west)),
  );
  const date = Array.from({ length: rows }, () =>
    new Date(Date.UTC(2001, 2, 1) + Math.floor(random() * 31) * 86_400_000).toISOString(),
  );
  return { columns: { origin, destination, distance, date }, rows };
}

const training = flights(1, 30_000);
const spec = fitFeatures(flightDelay, 'f'.repeat(64), training.columns);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function profileOf({ columns, rows }: Flights): ReferenceProfile {
  const features = computeFeatureColumns(spec, columns, rows);
  const labels = range(rows).map((row) => (row % 5 === 0 ? 1 : 0));
  const profiler = trainingProfiler(flightDelay, spec);
  profiler.sample({ features, labels });
  const counter = profiler.counter();
  counter.add({ features, labels }, columns, range(rows));
  const scores = Float64Array.from(features[2] ?? [], (value) => 1 / (1 + Math.exp(value / 500)));
  const cells = quantileCells(scores, 256);
  const prediction = cellCounter(cells);
  for (const score of scores) prediction.add(score);
  return { ...counter.profile(), prediction: { cells, reference: prediction.counted() } };
}

function windowOf(profile: ReferenceProfile, { columns, rows }: Flights): WindowCounts {
  const features = computeFeatureColumns(spec, columns, rows);
  const prediction = cellCounter(profile.prediction.cells);
  for (const value of features[2] ?? []) prediction.add(1 / (1 + Math.exp(value / 500)));
  return {
    prediction: prediction.counted(),
    features: profile.features.map(({ column, transform, distribution }, i) => {
      const counter = cellCounter(distribution.cells);
      for (const [row, value] of features[i]?.entries() ?? []) {
        counter.add(featureValue(transform, value, columns[column]?.[row]));
      }
      return counter.counted();
    }),
  };
}

const reference = profileOf(training);

describe('the reference profile', () => {
  it('is a document, has every feature and counts every row', () => {
    expect(ReferenceProfile.parse(JSON.parse(JSON.stringify(reference)))).toEqual(reference);
    expect(reference.features.map(({ name }) => name)).toEqual(
      Object.keys(flightDelay.features.declared ?? {}),
    );
    for (const { distribution } of [...reference.features, { distribution: reference.label }]) {
      const { counts, missing } = distribution.reference;
      expect(counts.reduce((sum, count) => sum + count, missing)).toBe(30_000);
    }
  });

  it('counts categories by value, further ones and unknown ones', () => {
    const origin = reference.features.find(({ name }) => name === 'destination');
    const cells = origin?.distribution.cells;
    if (cells?.kind !== 'categorical') throw new Error('destination is categorical');
    expect(cells.values).toHaveLength(100);
    for (const [cell, value] of cells.values.entries()) {
      const expected = training.columns['destination']?.filter((name) => name === value).length;
      expect(origin?.distribution.reference.counts[cell]).toBe(expected);
    }
    const counter = cellCounter(cells);
    for (const value of [0, 99, 100, 5_000, 'unknown', 'missing'] as const) counter.add(value);
    const { counts, missing } = counter.counted();
    expect([counts[0], counts[99], counts[100], counts[101], missing]).toEqual([1, 1, 2, 1, 1]);
  });

  it('leaves out what comes from sensitive columns, as the prediction log does', () => {
    const { origin, ...others } = flightDelay.data.columns;
    const columns = { ...others, ...(origin && { origin: { ...origin, sensitive: true } }) };
    const model = { ...flightDelay, data: { ...flightDelay.data, columns } };
    const { profile } = trainingProfiler(model, spec).counter();
    expect(profile().features.map(({ name }) => name)).not.toContain('origin');
  });

  it('has about equally many numbers in each cell, and a cell of its own for a frequent one', () => {
    const values = Float64Array.from(range(10_000), (i) => (i % 4 === 0 ? 7 : i));
    const cells = quantileCells(values, 256);
    const counter = cellCounter(cells);
    for (const value of values) counter.add(value);
    const { counts } = counter.counted();
    expect(Math.max(...counts)).toBeGreaterThanOrEqual(2_500);
    expect(counts.filter((count) => count > 60)).toHaveLength(1);
  });
});

const cellValue: fc.Arbitrary<CellValue> = fc.oneof(
  fc.double(),
  fc.integer({ min: -3, max: 3 }),
  fc.constant('missing' as const),
  fc.constant('unknown' as const),
);
const numericCells = fc
  .array(
    fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.integer({ min: -3, max: 3 })),
  )
  .map((values): Cells => quantileCells(Float64Array.from(values), 8));
const someCells = fc.oneof(
  numericCells,
  fc.nat(5).map((n): Cells => ({ kind: 'categorical', values: range(n) })),
);
const counted = (cells: Cells, values: readonly CellValue[]): CellCounts => {
  const counter = cellCounter(cells);
  const code = (value: CellValue): CellValue =>
    cells.kind === 'categorical' && typeof value === 'number'
      ? Math.abs(Math.trunc(value || 0)) % 9
      : value;
  for (const value of values) counter.add(code(value));
  return counter.counted();
};

describe('counts', () => {
  it('are the same however the rows are split, ordered and merged', () => {
    const labelled = fc.array(fc.tuple(cellValue, fc.nat(4), fc.nat()));
    fc.assert(
      fc.property(someCells, labelled, (cells, rows) => {
        const whole = counted(
          cells,
          rows.map(([value]) => value),
        );
        const shuffled = rows.toSorted(([, , a], [, , b]) => a - b);
        const shards = range(5).map((shard) =>
          counted(
            cells,
            shuffled.filter(([, of]) => of === shard).map(([value]) => value),
          ),
        );
        const none = counted(cells, []);
        expect(shards.reduce(mergeCounts, none)).toEqual(whole);
        expect(shards.reduceRight((a, b) => mergeCounts(a, b), none)).toEqual(whole);
        expect(whole.counts.reduce((sum, count) => sum + count, whole.missing)).toBe(rows.length);
      }),
      { numRuns: 500 },
    );
  });

  it('put a number where its neighbours by rank are', () => {
    fc.assert(
      fc.property(
        numericCells,
        fc.double({ noNaN: true }),
        fc.double({ noNaN: true }),
        (cells, a, b) => {
          const place = (value: number): number => counted(cells, [value]).counts.indexOf(1);
          if (!Number.isFinite(a) || !Number.isFinite(b)) return;
          const [low, high] = a <= b ? [a, b] : [b, a];
          expect(place(low)).toBeLessThanOrEqual(place(high));
        },
      ),
    );
  });
});

const fullReport = (window: WindowCounts, changes: Partial<MonitoringSection> = {}): DriftReport =>
  DriftReport.parse({
    model: 'flight-delay',
    version: 1,
    checkedAt: '2026-01-02T00:00:00.000Z',
    window: { from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T00:00:00.000Z' },
    rows: 1,
    unreadable: 0,
    policy: { ...policy, ...changes },
    ...judgeDrift(reference, window, { ...policy, ...changes }),
    quality: {
      ...judgeQuality(
        { metric: 'auc', reference: 0.7, labels: [], predictions: [], predicted: 0 },
        policy.quality,
      ),
      window: { from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T00:00:00.000Z' },
    },
  });

describe('the decision', () => {
  it('names the features that moved, and tells by how much', () => {
    const report = fullReport(windowOf(reference, flights(2, 3_000, 0.6)));
    expect(report.status).toBe('drifted');
    expect(report.drifted).toEqual(['origin', 'destination', 'distance']);
    expect(report.worst?.psi).toBeGreaterThan(0.2);
    expect(report.features.find(({ name }) => name === 'origin')?.text).toMatch(
      /^PSI \d.* is at least 0.2$/,
    );
    const bars = report.features.find(({ name }) => name === 'origin')?.bars;
    expect(bars?.find(({ label }) => label === '__new__')).toMatchObject({ reference: 0 });
  });

  it('says ok of the same distribution and insufficient_data of too few rows of it', () => {
    expect(fullReport(windowOf(reference, flights(3, 3_000)))).toMatchObject({
      status: 'ok',
      drifted: [],
      prediction: { status: 'ok' },
    });
    const few = fullReport(windowOf(reference, flights(3, 499)));
    expect(few).toMatchObject({ status: 'insufficient_data', drifted: [], worst: null });
    expect(few.features.map(({ status }) => status)).toEqual(
      few.features.map(() => 'insufficient_data'),
    );
    expect(few.prediction.status).toBe('insufficient_data');
  });

  it('sees values that go missing, even all of them', () => {
    const { columns, rows } = flights(4, 2_000);
    const distance = range(rows).map(() => null);
    const report = fullReport(windowOf(reference, { columns: { ...columns, distance }, rows }));
    expect(report.drifted).toEqual(['distance']);
    expect(report.features.find(({ name }) => name === 'distance')).toMatchObject({
      shape: null,
      text: '100 % are missing, of the reference 0 %',
    });
  });

  it('reports calendar features and never alarms on them', () => {
    const { columns, rows } = flights(5, 2_000);
    const date = range(rows).map(() => '2001-03-05T00:00:00Z');
    const report = fullReport(windowOf(reference, { columns: { ...columns, date }, rows }));
    expect(report).toMatchObject({ status: 'ok', drifted: [] });
    expect(report.worst?.feature).not.toBe('dayOfWeek');
    expect(report.features.find(({ name }) => name === 'dayOfWeek')).toMatchObject({
      status: 'drifted',
      alarmed: false,
    });
  });

  const windows = fc
    .record({
      rows: fc.integer({ min: 0, max: 1_500 }),
      west: fc.double({ min: 0, max: 1, noNaN: true }),
      seed: fc.integer({ min: 10, max: 1_000 }),
      psiThreshold: fc.double({ min: 0.005, max: 1, noNaN: true }),
      minimumRows: fc.integer({ min: 100, max: 2_000 }),
    })
    .map(({ rows, west, seed, ...changes }) => ({
      window: windowOf(reference, flights(seed, rows, west)),
      changes,
    }));

  it('never says ok of too few rows, nor drifted of what is smaller than declared', () => {
    fc.assert(
      fc.property(windows, ({ window, changes }) => {
        const report = fullReport(window, changes);
        for (const one of [...report.features, report.prediction]) {
          if (one.rows.current < changes.minimumRows) expect(one.status).toBe('insufficient_data');
          if (one.status === 'drifted') {
            expect(one.shape?.psi).toBeGreaterThanOrEqual(changes.psiThreshold);
            expect(one.shape?.adjustedPValue).toBeLessThanOrEqual(policy.significance);
          }
          expect(one.bars.reduce((sum, bar) => sum + bar.reference, 0)).toBeLessThan(1 + 1e-9);
        }
        expect(report.drifted.length > 0).toBe(report.status === 'drifted');
      }),
      { numRuns: 60 },
    );
  });

  it('does not turn drift into less by a lower threshold', () => {
    fc.assert(
      fc.property(
        windows,
        fc.double({ min: 0.1, max: 1, noNaN: true }),
        ({ window, changes }, factor) => {
          const high = fullReport(window, changes).drifted;
          const psiThreshold = Math.max(changes.psiThreshold * factor, 0.005);
          const low = fullReport(window, { ...changes, psiThreshold }).drifted;
          expect(low).toEqual(expect.arrayContaining(high));
        },
      ),
      { numRuns: 40 },
    );
  });
});

describe("windows of the reference's own distribution", () => {
  it.each([500, 2_000])('of %d rows alarm on no feature, and rarely look significant', (rows) => {
    let alarms = 0;
    let significant = 0;
    let tests = 0;
    for (const seed of range(100)) {
      const report = fullReport(windowOf(reference, flights(10_000 + rows + seed, rows)));
      alarms += report.drifted.length + (report.prediction.status === 'drifted' ? 1 : 0);
      for (const { shape } of report.features) {
        tests += 1;
        if (shape && shape.pValue <= 0.01) significant += 1;
      }
    }
    console.log(
      `100 windows of ${rows} rows × ${reference.features.length} features: ${alarms} alarms; ${significant} of ${tests} p-values at most 0.01`,
    );
    // With q = 0.01 at most one window in a hundred has an alarm by chance alone; the threshold leaves none.
    expect(alarms).toBe(0);
    // Nominal are 4 of 400; more than 12 would happen once in three thousand times.
    expect(significant).toBeLessThanOrEqual(12);
  });
});
