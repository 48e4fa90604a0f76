import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  benjaminiHochberg,
  contingencyTest,
  exactKolmogorovSmirnovPValue,
  jensenShannonDistance,
  kolmogorovSmirnov,
  kolmogorovSmirnovPValue,
  populationStabilityIndex,
  rareCells,
  twoProportionTest,
  wasserstein,
} from '../../core/monitoring/drift-statistics.ts';
import {
  cellFinder,
  numberOfCells,
  quantile,
  quantileCells,
} from '../../core/monitoring/quantile-cells.ts';
import {
  chiSquareTail,
  kolmogorovTail,
  normalTwoSided,
} from '../../core/monitoring/tail-probabilities.ts';

type Value = number | string | null;
interface Generated {
  readonly kind: 'irwinhall12' | 'pareto' | 'ties';
  readonly n: number;
  readonly seed: number;
  readonly levels?: number;
  readonly scale?: number;
  readonly shift?: number;
  readonly append?: number[];
}
interface Binned {
  readonly edges: number[];
  readonly reference: number[];
  readonly current: number[];
  readonly psi: number;
  readonly js: number;
}
interface NumericVector {
  readonly id: string;
  readonly note: string;
  readonly reference: Value[] | Generated;
  readonly current: Value[] | Generated;
  readonly status: string;
  readonly missing: [number, number];
  readonly infinite: [number, number];
  readonly rows: [number, number];
  readonly missingRate: { readonly z: number; readonly p: number } | null;
  readonly ks?: { readonly d: number; readonly auto: number; readonly limit: number };
  readonly wasserstein?: {
    readonly w1: number;
    readonly iqr: number;
    readonly w1OverIqr: number | null;
  };
  readonly plain?: Binned & { readonly psiFloor: number; readonly jsNats: number };
  readonly atoms?: Binned & { readonly atoms: number[] };
}
interface CategoricalVector {
  readonly id: string;
  readonly note: string;
  readonly reference: number[];
  readonly current: number[];
  readonly status: string;
  readonly chiSquare?: { readonly stat: number; readonly p: number; readonly dof: number };
  readonly cramersV: number;
  readonly psi: number;
  readonly psiFloor: number;
  readonly js: number;
  readonly jsNats: number;
}
interface Vectors {
  readonly numeric: NumericVector[];
  readonly categorical: CategoricalVector[];
  readonly benjaminiHochberg: { readonly p: number[]; readonly adjusted: number[] };
  readonly tails: {
    readonly chiSquare: [number, number, number][];
    readonly kolmogorov: [number, number][];
    readonly normal: [number, number][];
  };
}
const vectors: Vectors = JSON.parse(
  readFileSync(join(import.meta.dirname, 'drift-vectors.json'), 'utf8'),
);

/** Equal to the last digits that the order of a sum may change. */
function same(found: number, wanted: number, relative: number, what: string): void {
  const apart = Math.abs(found - wanted);
  const allowed = Math.max(relative * Math.abs(wanted), 1e-12);
  expect(apart <= allowed || found === wanted, `${what}: ${found}, expected ${wanted}`).toBe(true);
}
const statistic = (found: number, wanted: number, what: string) => same(found, wanted, 1e-9, what);
function probability(found: number, wanted: number, what: string): void {
  const apart = Math.abs(found - wanted);
  expect(apart <= 1e-6 * wanted, `${what}: ${found}, expected ${wanted}`).toBe(true);
}

/** x ← 1664525 x + 1013904223 (mod 2³²), u = (x + ½) / 2³². */
function uniforms(seed: number): () => number {
  let x = seed >>> 0;
  return () => {
    x = (Math.imul(1664525, x) + 1013904223) >>> 0;
    return (x + 0.5) / 2 ** 32;
  };
}

function generate({ kind, n, seed, levels = 1, scale = 1, shift = 0, append = [] }: Generated) {
  const u = uniforms(seed);
  const draw = {
    irwinhall12: () => {
      let sum = 0;
      for (let i = 0; i < 12; i += 1) sum += u();
      return sum - 6;
    },
    pareto: () => 1 / (1 - u()),
    ties: () => Math.floor(u() * levels),
  }[kind];
  return [...Array.from({ length: n }, () => scale * draw() + shift), ...append];
}

const numbers = (sample: Value[] | Generated): (number | null)[] =>
  Array.isArray(sample)
    ? sample.map((value) => (value === null ? null : Number(value)))
    : generate(sample);
const finite = (sample: readonly (number | null)[]): Float64Array =>
  Float64Array.from(sample.filter((value) => value !== null && Number.isFinite(value)));

function counted(cells: number, find: (value: number) => number, values: Float64Array): number[] {
  const counts = new Array<number>(cells).fill(0);
  for (const value of values) counts[find(value)] = (counts[find(value)] ?? 0) + 1;
  return counts;
}

/** One cell per distinct value, so that nothing is lost. */
function distinct(reference: Float64Array, current: Float64Array) {
  const positions = [...new Set([...reference, ...current].map((value) => value + 0))].sort(
    (a, b) => a - b,
  );
  const places = new Map(positions.map((value, place) => [value, place]));
  const find = (value: number): number => places.get(value + 0) ?? -1;
  return {
    positions,
    counts: [reference, current].map((values) => counted(positions.length, find, values)) as [
      number[],
      number[],
    ],
  };
}

describe('drift of numbers, against NumPy and SciPy', () => {
  it.each(vectors.numeric)('$id: $note', (vector) => {
    const samples = [numbers(vector.reference), numbers(vector.current)] as const;
    const [reference, current] = [finite(samples[0]), finite(samples[1])];
    const missing = samples.map((sample) => sample.filter((value) => Number.isNaN(value ?? NaN)));
    expect(missing.map(({ length }) => length)).toEqual(vector.missing);
    expect([reference.length, current.length]).toEqual(vector.rows);
    expect(samples.map(({ length }, i) => length - (missing[i]?.length ?? 0))).toEqual(
      vector.rows.map((rows, i) => rows + (vector.infinite[i] ?? 0)),
    );
    if (vector.missingRate) {
      const [n, m] = [samples[0].length, samples[1].length];
      const { z, pValue } = twoProportionTest(vector.missing[0], n, vector.missing[1], m);
      statistic(z, vector.missingRate.z, 'z');
      probability(pValue, vector.missingRate.p, 'p of the missing rate');
    }
    expect(Math.min(...vector.rows) === 0).toBe(vector.status === 'insufficient_data');
    if (!vector.ks || !vector.wasserstein || !vector.plain || !vector.atoms) return;

    const { positions, counts } = distinct(reference, current);
    const d = kolmogorovSmirnov(...counts);
    statistic(d, vector.ks.d, 'D');
    const [n, m] = vector.rows;
    probability(exactKolmogorovSmirnovPValue(d, n, m), vector.ks.auto, 'exact p of D');
    probability(kolmogorovSmirnovPValue(d, n, m), vector.ks.limit, 'limiting p of D');
    const w1 = wasserstein(positions, ...counts);
    const sorted = reference.toSorted();
    const iqr = quantile(sorted, 0.75) - quantile(sorted, 0.25);
    statistic(w1, vector.wasserstein.w1, 'W1');
    statistic(iqr, vector.wasserstein.iqr, 'IQR');
    if (vector.wasserstein.w1OverIqr !== null) {
      statistic(w1 / iqr, vector.wasserstein.w1OverIqr, 'W1 / IQR');
    }

    const cells = quantileCells(reference, 10);
    expect(cells.edges).toEqual(vector.atoms.edges.map((edge) => edge + 0));
    expect(cells.edges.filter((_, i) => cells.atoms[i])).toEqual(
      vector.atoms.atoms.map((atom) => atom + 0),
    );
    const find = cellFinder(cells);
    const binned = [reference, current].map((values) =>
      counted(numberOfCells(cells), find, values),
    ) as [number[], number[]];
    expect(binned).toEqual([vector.atoms.reference, vector.atoms.current]);
    statistic(populationStabilityIndex(...binned), vector.atoms.psi, 'PSI');
    statistic(jensenShannonDistance(...binned), vector.atoms.js, 'JS');

    const plain = {
      ...cells,
      edges: vector.plain.edges,
      atoms: vector.plain.edges.map(() => false),
    };
    const plainly = [reference, current].map((values) =>
      counted(plain.edges.length + 1, cellFinder(plain), values),
    ) as [number[], number[]];
    expect(plainly).toEqual([vector.plain.reference, vector.plain.current]);
    statistic(populationStabilityIndex(...plainly), vector.plain.psi, 'PSI, plain');
    const floored = populationStabilityIndex(...plainly, 'floor');
    statistic(floored, vector.plain.psiFloor, 'PSI, floor');
    const js = jensenShannonDistance(...plainly);
    statistic(js, vector.plain.js, 'JS, plain');
    statistic(js * Math.sqrt(Math.LN2), vector.plain.jsNats, 'JS in nats');
  });
});

describe('drift of categories, against SciPy', () => {
  it.each(vectors.categorical)('$id: $note', (vector) => {
    const sides = [vector.reference, vector.current] as const;
    const empty = sides.some((counts) => counts.every((count) => count === 0));
    expect(empty).toBe(vector.status === 'insufficient_data');
    if (!vector.chiSquare) return;
    const test = contingencyTest(...sides);
    statistic(test.chiSquare, vector.chiSquare.stat, 'χ²');
    expect(test.degreesOfFreedom).toBe(vector.chiSquare.dof);
    probability(test.pValue, vector.chiSquare.p, 'p of χ²');
    statistic(test.cramersV, vector.cramersV, 'V');
    statistic(populationStabilityIndex(...sides), vector.psi, 'PSI');
    statistic(populationStabilityIndex(...sides, 'floor'), vector.psiFloor, 'PSI, floor');
    statistic(jensenShannonDistance(...sides), vector.js, 'JS');
    statistic(jensenShannonDistance(...sides) * Math.sqrt(Math.LN2), vector.jsNats, 'JS in nats');
  });
});

describe('tails of distributions, against SciPy', () => {
  it.each(vectors.tails.chiSquare)('chi-square beyond %d with %d degrees', (x, degrees, p) => {
    probability(chiSquareTail(x, degrees), p, 'p');
  });
  it.each(vectors.tails.kolmogorov)('Kolmogorov beyond %d', (x, p) => {
    probability(kolmogorovTail(x), p, 'p');
  });
  it.each(vectors.tails.normal)('normal beyond %d', (z, p) => {
    probability(normalTwoSided(z), 2 * p, 'p');
  });

  it('chi-square falls with x, rises with the degrees, and joins odd to even', () => {
    const value = fc.double({ min: 0, max: 3_000, noNaN: true });
    fc.assert(
      fc.property(value, value, fc.integer({ min: 1, max: 2_000 }), (a, b, degrees) => {
        const [low, high] = a < b ? [a, b] : [b, a];
        const slack = 1 + 1e-9;
        expect(chiSquareTail(high, degrees)).toBeLessThanOrEqual(
          chiSquareTail(low, degrees) * slack,
        );
        expect(chiSquareTail(a, degrees)).toBeLessThanOrEqual(
          chiSquareTail(a, degrees + 1) * slack,
        );
      }),
    );
  });
});

describe('many tests at once', () => {
  it('are adjusted as by Benjamini and Hochberg', () => {
    const { p, adjusted } = vectors.benjaminiHochberg;
    const found = benjaminiHochberg(p);
    for (const [i, value] of found.entries()) statistic(value, adjusted[i] ?? NaN, `p ${i}`);
  });

  it('are adjusted the same in any order, never downwards', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1 }), (p) => {
        const adjusted = benjaminiHochberg(p);
        expect(benjaminiHochberg(p.toReversed())).toEqual(adjusted.toReversed());
        for (const [i, value] of adjusted.entries()) {
          expect(value).toBeGreaterThanOrEqual(p[i] ?? 0);
          expect(value).toBeLessThanOrEqual(1);
        }
      }),
    );
  });
});

const sides = fc
  .array(fc.tuple(fc.nat(200), fc.nat(200)), { minLength: 2, maxLength: 30 })
  .map((cells) => [cells.map(([a]) => a), cells.map(([, b]) => b)] as [number[], number[]])
  .filter((both) => both.every((counts) => counts.some((count) => count > 0)));

describe('distances between counts', () => {
  it('are 0 from a side to itself, positive otherwise, and the same from either side', () => {
    fc.assert(
      fc.property(sides, ([a, b]) => {
        for (const distance of [
          populationStabilityIndex,
          jensenShannonDistance,
          kolmogorovSmirnov,
        ]) {
          expect(distance(a, a)).toBeCloseTo(0, 7);
          expect(distance(a, b)).toBeGreaterThanOrEqual(0);
          expect(distance(a, b)).toBeCloseTo(distance(b, a), 9);
        }
      }),
    );
  });

  it('never grow when cells are merged', () => {
    const merged = (counts: number[]): number[] =>
      counts.reduce<number[]>((all, count, i) => {
        if (i % 2 === 0) all.push(count);
        else all[all.length - 1] = (all.at(-1) ?? 0) + count;
        return all;
      }, []);
    fc.assert(
      fc.property(sides, ([a, b]) => {
        for (const distance of [jensenShannonDistance, kolmogorovSmirnov]) {
          expect(distance(merged(a), merged(b))).toBeLessThanOrEqual(distance(a, b) + 1e-9);
        }
      }),
    );
  });

  it('call a cell rare where five rows are not expected on the smaller side', () => {
    expect(rareCells([95, 3, 1, 1], [18, 0, 1, 1])).toEqual([false, true, true, true]);
    expect(rareCells([1000, 0], [10, 990])).toEqual([false, false]);
  });
});
