import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { RawColumns, RawValue } from '../../core/features/raw-values.ts';
import {
  comparePredictions,
  type Judgement,
  type PredictionPair,
} from '../../core/inference/parity/compare-predictions.ts';
import {
  chanceOfOverlap,
  explainDifferences,
} from '../../core/inference/parity/explain-differences.ts';
import { matchRows } from '../../core/inference/parity/match-rows.ts';
import { ModelKind, modelKind } from '../../core/inference/parity/parity-tolerance.ts';
import { systematicDifference } from '../../core/inference/parity/systematic-difference.ts';
import type { SignatureColumn } from '../../core/inference/signature.ts';

const judgement = (changes: Partial<Judgement> = {}): Judgement => ({
  kind: 'trees',
  task: 'binary_classification',
  threshold: 0.5,
  metric: 'auc',
  ...changes,
});
const pair = (expected: number, actual: number, label?: number): PredictionPair => ({
  key: `${expected}`,
  expected,
  actual,
  ...(label === undefined ? {} : { label }),
});
const verdictOf = (kind: ModelKind, expected: number, actual: number, task: Judgement['task']) =>
  comparePredictions([pair(expected, actual)], judgement({ kind, task })).verdict;

describe("comparing a version's predictions with its notebook's", () => {
  it('takes what 32 bits hold of a prediction for the prediction', () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: -1e30, max: 1e30, noNaN: true }), { minLength: 1 }),
        fc.constantFrom(...ModelKind.options.filter((kind) => kind !== 'quantised')),
        (values, kind) => {
          const pairs = values.map((value) => pair(value, Math.fround(value)));
          const found = comparePredictions(pairs, judgement({ kind, task: 'regression' }));
          expect(found).toMatchObject({ verdict: 'equal', differing: [], worst: [] });
          expect(found.maximumDifference).toBe(
            Math.max(...values.map((value) => Math.abs(value - Math.fround(value)))),
          );
        },
      ),
    );
  });

  it('allows trees 1e-6, linear models 1e-5, and of values above 1 that part of them', () => {
    expect(verdictOf('trees', 0.25, 0.25 + 9e-7, 'binary_classification')).toBe('equal');
    expect(verdictOf('trees', 0.25, 0.25 + 1.2e-6, 'binary_classification')).toBe('different');
    expect(verdictOf('linear', 0.25, 0.25 + 9e-6, 'binary_classification')).toBe('equal');
    expect(verdictOf('linear', 0.25, 0.25 + 1.2e-5, 'binary_classification')).toBe('different');
    expect(verdictOf('trees', 250_000, 250_000.2, 'regression')).toBe('equal');
    expect(verdictOf('trees', 250_000, 250_001, 'regression')).toBe('different');
  });

  it('allows networks what numpy.isclose allows with rtol 1e-3 and atol 1e-5', () => {
    // numpy.isclose(actual, expected, rtol=1e-3, atol=1e-5)
    const cases = [
      [0.5, 0.5005, true],
      [0.5, 0.50052, false],
      [-2, -2.002, true],
      [-2, -2.0021, false],
      [0, 0.0000099, true],
      [0, 0.000011, false],
    ] as const;
    for (const [expected, actual, close] of cases) {
      expect(verdictOf('network', expected, actual, 'regression')).toBe(
        close ? 'equal' : 'different',
      );
    }
  });

  it('is different where an answer is no number', () => {
    for (const kind of ['trees', 'network', 'python'] as const) {
      expect(verdictOf(kind, 0.5, Number.NaN, 'regression')).toBe('different');
    }
  });

  it('names the rows that differ and shows the furthest ten, the furthest first', () => {
    const shifted = (row: number) => (row % 3 === 0 ? row / 1_000 : 0);
    const pairs = Array.from({ length: 100 }, (_, row) => ({
      key: `k${row}`,
      expected: 0.25,
      actual: Math.fround(0.25 + shifted(row)),
    }));
    const found = comparePredictions(pairs, judgement());
    expect(found.differing).toEqual(
      Array.from({ length: 100 }, (_, row) => row).filter((row) => row % 3 === 0 && row > 0),
    );
    expect(found.worst.map(({ key }) => key)).toEqual(
      [99, 96, 93, 90, 87, 84, 81, 78, 75, 72].map((row) => `k${row}`),
    );
    expect(found.maximumDifference).toBeCloseTo(0.099, 6);
    expect(found.maximumRelativeDifference).toBeCloseTo(0.099 / 0.25, 6);
    expect(found.reasons).toEqual(['33 of 100 rows are further apart than the tolerance']);
  });

  it("shows the notebook's numbers as they are, beside those that are apart by more than notation", () => {
    const found = comparePredictions(
      [pair(0.1, Math.fround(0.1)), pair(0.3, Math.fround(0.7))],
      judgement(),
    );
    expect(found.worst.map(({ expected }) => expected)).toEqual([0.3]);
    const rounded = comparePredictions([pair(0.7, Math.fround(0.7))], judgement());
    expect(rounded.maximumDifference).toBe(Math.abs(0.7 - Math.fround(0.7)));
    expect(rounded.maximumDifference).toBeGreaterThan(0);
  });

  it('counts label flips at the threshold, of classification alone', () => {
    const pairs = [pair(0.4, 0.6), pair(0.6, 0.4), pair(0.1, 0.2), pair(0.5, 0.5)];
    expect(comparePredictions(pairs, judgement()).flips).toBe(2);
    expect(comparePredictions(pairs, judgement({ threshold: 0.15 })).flips).toBe(1);
    expect(comparePredictions(pairs, judgement({ task: 'regression' })).flips).toBeNull();
  });

  it('judges a quantised model by its metric and its flips', () => {
    const kind = 'quantised';
    const rows = Array.from({ length: 2_000 }, (_, row) => pair(row / 2_000, row / 2_000, row % 2));
    const nudged = rows.map((row) => ({ ...row, actual: row.actual - 1e-4 }));
    expect(comparePredictions(nudged, judgement({ kind })).verdict).toBe('equal');
    const flipped = nudged.map((row, i) =>
      i % 400 === 0 ? { ...row, actual: 1 - row.actual } : row,
    );
    const found = comparePredictions(flipped, judgement({ kind }));
    expect(found.verdict).toBe('different');
    expect(found.reasons.join()).toMatch(/5 of 2000 labels flip, and 0\.1 % is allowed/);
    expect(found.differing).toHaveLength(found.flips ?? -1);
    const unlabelled = nudged.map(({ label: _, ...row }) => row);
    expect(comparePredictions(unlabelled, judgement({ kind })).reasons.join()).toMatch(/labels/);
  });

  it('shows the metric on both sides where the labels are known', () => {
    const pairs = [pair(0.1, 0.9, 0), pair(0.2, 0.2, 0), pair(0.8, 0.8, 1), pair(0.9, 0.1, 1)];
    expect(comparePredictions(pairs, judgement()).metric).toEqual({ expected: 1, actual: 0.25 });
    expect(comparePredictions([...pairs, pair(0, 0)], judgement()).metric).toBeNull();
  });
});

describe('what a version is', () => {
  it('is said by its trainer, by the name of a stock one, or by nobody', () => {
    expect(modelKind({ kind: 'network' }, { trainer: 'python' })).toBe('network');
    expect(modelKind({}, { trainer: 'xgboost' })).toBe('trees');
    expect(modelKind({}, { trainer: 'import' })).toBeUndefined();
    expect(modelKind({ kind: 'forest' }, { trainer: 'python' })).toBeUndefined();
  });
});

describe('joining predictions with their inputs', () => {
  it('joins keys that name one row on each side, and tells what became of every other row', () => {
    const key = fc.oneof(fc.integer({ min: 0, max: 6 }), fc.constantFrom('a', 'b', '', null));
    fc.assert(
      fc.property(fc.array(key), fc.array(key), (predictions, data) => {
        const found = matchRows(predictions, data);
        const places = (keys: readonly RawValue[], of: string) =>
          keys.flatMap((each, row) =>
            each !== null && each !== '' && String(each) === of ? [row] : [],
          );
        const all = new Set([...predictions, ...data].map(String).filter((each) => each !== ''));
        all.delete('null');
        const single = [...all].filter(
          (each) => places(predictions, each).length === 1 && places(data, each).length === 1,
        );
        expect(found.matched.map((row) => row.key).sort()).toEqual(single.sort());
        for (const { key: matched, prediction, data: row } of found.matched) {
          expect([prediction, row]).toEqual([
            places(predictions, matched)[0],
            places(data, matched)[0],
          ]);
        }
        for (const [left, own, other] of [
          [found.predictions, predictions, data],
          [found.data, data, predictions],
        ] as const) {
          expect([...left.repeated].sort()).toEqual(
            [...all].filter((each) => places(own, each).length > 1).sort(),
          );
          expect([...left.unmatched].sort()).toEqual(
            [...all]
              .filter((each) => places(own, each).length > 0 && places(other, each).length === 0)
              .sort(),
          );
          expect(left.rowsWithoutKey).toBe(
            own.filter((each) => each === null || each === '').length,
          );
        }
      }),
    );
  });
});

const column = (
  name: string,
  type: SignatureColumn['type'],
  changes: Partial<SignatureColumn> = {},
): SignatureColumn => ({ name, type, nullable: true, sensitive: false, ...changes });

const customers = 1_000;
const columns = [
  column('age', 'number'),
  column('plan', 'string'),
  column('calls', 'integer'),
  column('note', 'string'),
  column('since', 'timestamp'),
];
/** Spread evenly and the same every time; the columns have nothing to do with each other. */
const values: RawColumns = {
  age: Array.from({ length: customers }, (_, row) =>
    row % 27 === 5 ? null : 18 + ((row * 37) % 61),
  ),
  plan: Array.from(
    { length: customers },
    (_, row) => ['basic', 'plus', 'gold'][(row * 7) % 3] ?? '',
  ),
  calls: Array.from({ length: customers }, (_, row) => (row * 13) % 11),
  note: Array.from({ length: customers }, (_, row) => (row % 31 === 4 ? 'schön' : 'fine')),
  since: Array.from(
    { length: customers },
    (_, row) => 1.7e15 + ((row * 733) % customers) * 8.64e10,
  ),
};
const rowsWhere = (isSo: (row: number) => boolean): number[] =>
  Array.from({ length: customers }, (_, row) => row).filter(isSo);
const explain = (differing: readonly number[], over = columns) =>
  explainDifferences(over, values, customers, differing);

describe('what the rows that differ have in common', () => {
  it('is a value that is missing', () => {
    const differing = rowsWhere((row) => values['age']?.[row] === null);
    expect(explain(differing)).toEqual({
      column: 'age',
      says: 'is missing',
      rows: 37,
      differing: 37,
      allDiffering: 37,
      text: 'in all 37 rows that differ, age is missing; in no other row',
    });
  });

  it('is one value of a category, also where some rows with it agree', () => {
    const gold = rowsWhere((row) => values['plan']?.[row] === 'gold');
    const found = explain(gold.slice(20));
    expect(found).toMatchObject({ column: 'plan', says: 'is "gold"' });
    expect(found?.text).toBe(
      `in all ${gold.length - 20} rows that differ, plan is "gold"; also in 20 rows that agree`,
    );
  });

  it('is a side of a bound', () => {
    expect(explain(rowsWhere((row) => Number(values['age']?.[row] ?? 0) > 65))).toMatchObject({
      column: 'age',
      says: 'is above 65',
    });
    const early = 1.7e15 + 100 * 8.64e10;
    expect(explain(rowsWhere((row) => Number(values['since']?.[row]) <= early))).toMatchObject({
      column: 'since',
      says: `is at most ${new Date(early / 1_000).toISOString()}`,
    });
  });

  it('is a form of a text', () => {
    const accented = rowsWhere((row) => values['note']?.[row] === 'schön');
    const varied = accented.map((row, i) => [row, `sch${'ö'.repeat((i % 7) + 1)}n${i}`] as const);
    const notes = [...(values['note'] ?? [])];
    for (const [row, text] of varied) notes[row] = text;
    for (const row of rowsWhere((each) => each % 10 === 0)) {
      if (!accented.includes(row)) notes[row] = `long enough text ${row}`;
    }
    const found = explainDifferences(columns, { ...values, note: notes }, customers, accented);
    expect(found).toMatchObject({ column: 'note', says: 'has characters outside ASCII' });
  });

  it('tells no value of a sensitive column', () => {
    const hidden = columns.map((each) => ({ ...each, sensitive: true }));
    expect(
      explain(
        rowsWhere((row) => values['plan']?.[row] === 'gold'),
        hidden,
      ),
    ).toBeUndefined();
    expect(
      explain(
        rowsWhere((row) => values['age']?.[row] === null),
        hidden,
      )?.text,
    ).toContain('age is missing');
  });

  it('is nothing where all rows differ, none does, or chance alone would find as much', () => {
    expect(explain([])).toBeUndefined();
    expect(explain(rowsWhere(() => true))).toBeUndefined();
    expect(explain(rowsWhere((row) => (row * 7_919) % 1_000 < 30))).toBeUndefined();
    expect(explain([17])).toBeUndefined();
  });

  it('weighs chance as Fisher does: the tail of the hypergeometric distribution', () => {
    const choose = (n: number, k: number): bigint => {
      if (k < 0 || k > n) return 0n;
      let result = 1n;
      for (let i = 1; i <= k; i += 1) result = (result * BigInt(n - k + i)) / BigInt(i);
      return result;
    };
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 60 })
          .chain((all) => fc.tuple(fc.constant(all), fc.nat(all), fc.nat(all), fc.nat(all))),
        ([all, differing, rows, both]) => {
          let ways = 0n;
          for (let x = both; x <= Math.min(rows, differing); x += 1) {
            ways += choose(differing, x) * choose(all - differing, rows - x);
          }
          const exact = Number((ways * 10n ** 18n) / choose(all, rows)) / 1e18;
          expect(chanceOfOverlap(all, differing, { rows, differing: both })).toBeCloseTo(exact, 9);
        },
      ),
    );
  });
});

describe('what makes all rows different at once', () => {
  const answered = Array.from({ length: 50 }, (_, row) =>
    Math.fround(0.02 + ((row * 0.618) % 0.95)),
  );
  const of = (notebook: (p: number, row: number) => number) =>
    systematicDifference(
      answered.map((actual, row) => ({ actual, expected: notebook(actual, row) })),
      'trees',
    );

  it('is named where it is one of the usual mistakes', () => {
    const named = (text: RegExp, isOfInput: boolean) => ({
      text: expect.stringMatching(text),
      isOfInput,
    });
    expect(of((p) => 1 - p)).toEqual(named(/class 0/, true));
    expect(of((p) => Math.log(p / (1 - p)))).toEqual(named(/log-odds/, true));
    expect(of((p) => (p > 0.5 ? 1 : 0))).toEqual(named(/classes/, true));
    expect(of((p) => p * 100)).toEqual(named(/per cent/, true));
    const answersLog = /answers with the logarithm ln\(1 \+ x\)/;
    expect(of((p) => Math.expm1(p))).toEqual(named(answersLog, false));
    expect(of((p) => Math.log(p))).toEqual(named(/notebook has the logarithm of/, false));
    const shifted = of((_, row) => answered[(row + 7) % 50] ?? 0);
    expect(shifted).toEqual(named(/another order/, true));
  });

  it('is not named where it is none', () => {
    expect(of((p, row) => p + (row % 2) * 0.01)).toBeUndefined();
    expect(of((p) => p * 0.97)).toBeUndefined();
  });
});
