import { chiSquareTail, kolmogorovTail, normalTwoSided } from './tail-probabilities.ts';

/** How often each of the same cells was seen, in the same order on both sides. */
export type Counts = readonly number[];

const total = (counts: Counts): number => counts.reduce((sum, count) => sum + count, 0);
const shares = (counts: Counts): number[] => {
  const n = total(counts);
  return counts.map((count) => count / n);
};

/**
 * Population stability index, Σ (p − q) ln (p / q): Kullback and Leibler's symmetric divergence J (1951),
 * under the name that credit scoring gave it.
 *
 * jeffreys: half a row is added to each cell, so that an empty one is no infinity and more cells than rows
 * are no alarm · floor: shares below 1e-4 count as 1e-4, as older tools have it.
 */
export function populationStabilityIndex(
  reference: Counts,
  current: Counts,
  emptyCells: 'jeffreys' | 'floor' = 'jeffreys',
): number {
  const smoothed = (counts: Counts): number[] =>
    emptyCells === 'floor'
      ? shares(counts).map((share) => Math.max(share, 1e-4))
      : shares(counts.map((count) => count + 0.5));
  const expected = smoothed(reference);
  const found = smoothed(current);
  return expected.reduce((sum, p, cell) => {
    const q = found[cell] ?? p;
    return sum + (p - q) * Math.log(p / q);
  }, 0);
}

/** Square root of the Jensen-Shannon divergence to base 2 (Lin 1991; a metric, Endres and Schindelin 2003): 0 … 1. */
export function jensenShannonDistance(reference: Counts, current: Counts): number {
  const expected = shares(reference);
  const found = shares(current);
  const part = (p: number, q: number): number => (p > 0 ? p * Math.log2((2 * p) / (p + q)) : 0);
  const divergence = expected.reduce((sum, p, cell) => {
    const q = found[cell] ?? 0;
    return sum + (part(p, q) + part(q, p)) / 2;
  }, 0);
  return Math.sqrt(Math.max(divergence, 0));
}

/** F − G after each of the cells. */
function cumulativeGaps(reference: Counts, current: Counts): number[] {
  const n = total(reference);
  const m = total(current);
  let seen = 0;
  let seenNow = 0;
  return reference.map((count, cell) => {
    seen += count;
    seenNow += current[cell] ?? 0;
    return seen / n - seenNow / m;
  });
}

/**
 * The two-sample statistic D of Kolmogorov and Smirnov over cells in ascending order: exact where each
 * distinct value has a cell of its own, otherwise never more than the exact one.
 */
export const kolmogorovSmirnov = (reference: Counts, current: Counts): number =>
  cumulativeGaps(reference, current).reduce((most, gap) => Math.max(most, Math.abs(gap)), 0);

/** P(D ≥ d) of n and m rows without drift, by Kolmogorov's limit. */
export const kolmogorovSmirnovPValue = (d: number, n: number, m: number): number =>
  kolmogorovTail(d * Math.sqrt((n * m) / (n + m)));

/**
 * The same exactly, for few rows: the share of lattice paths from (0, 0) to (n, m) that somewhere stray
 * by d or more (Hodges 1957). Takes n · m steps.
 */
export function exactKolmogorovSmirnovPValue(d: number, n: number, m: number): number {
  // D is a multiple of 1 / (n m): half a step below it lies nothing that rounding could confuse with it.
  const limit = d - 0.5 / n / m;
  const strays = (i: number, j: number): boolean => Math.abs(i / n - j / m) >= limit;
  // P(strayed already | the path is at (i, j)), for one i after the other.
  const strayed = new Float64Array(m + 1);
  for (let i = 0; i <= n; i += 1) {
    for (let j = 0; j <= m; j += 1) {
      const before = (i * (strayed[j] ?? 0) + j * (strayed[j - 1] ?? 0)) / Math.max(i + j, 1);
      strayed[j] = strays(i, j) ? 1 : before;
    }
  }
  return strayed[m] ?? 1;
}

/**
 * Wasserstein's (earth mover's) distance of first order over cells in ascending order, in the unit of
 * their positions: ∫ |F − G|.
 */
export function wasserstein(
  positions: readonly number[],
  reference: Counts,
  current: Counts,
): number {
  const gaps = cumulativeGaps(reference, current);
  let distance = 0;
  for (let cell = 1; cell < positions.length; cell += 1) {
    const width = (positions[cell] ?? 0) - (positions[cell - 1] ?? 0);
    distance += Math.abs(gaps[cell - 1] ?? 0) * width;
  }
  return distance;
}

export interface Contingency {
  readonly chiSquare: number;
  readonly degreesOfFreedom: number;
  readonly pValue: number;
  /** Effect size, 0 … 1, whatever the number of rows (Cramér 1946), without corrections. */
  readonly cramersV: number;
}

/** Pearson's chi-square test of the 2 × k table, without Yates' correction. Cells empty on both sides do not count. */
export function contingencyTest(reference: Counts, current: Counts): Contingency {
  const n = total(reference);
  const m = total(current);
  let chiSquare = 0;
  let cells = 0;
  for (const [cell, count] of reference.entries()) {
    const countNow = current[cell] ?? 0;
    const both = count + countNow;
    if (both === 0) continue;
    cells += 1;
    const expected = (both * n) / (n + m);
    const expectedNow = (both * m) / (n + m);
    chiSquare += (count - expected) ** 2 / expected + (countNow - expectedNow) ** 2 / expectedNow;
  }
  const degreesOfFreedom = Math.max(cells - 1, 0);
  return {
    chiSquare,
    degreesOfFreedom,
    pValue: chiSquareTail(chiSquare, degreesOfFreedom),
    cramersV: cells > 1 ? Math.sqrt(chiSquare / (n + m)) : 0,
  };
}

/** Cochran's rule (1954): a chi-square test wants five expected rows in each cell of either side. */
export const rareBelow = 5;

/** Which cells have too few rows to stand for themselves. */
export function rareCells(reference: Counts, current: Counts): boolean[] {
  const n = total(reference);
  const m = total(current);
  return reference.map((count, cell) => {
    const both = count + (current[cell] ?? 0);
    return (both * Math.min(n, m)) / (n + m) < rareBelow;
  });
}

/**
 * Two-sided test that two shares are equal, with the pooled variance.
 * @returns z > 0 where the second share is larger
 */
export function twoProportionTest(
  hits: number,
  n: number,
  hitsNow: number,
  m: number,
): { readonly z: number; readonly pValue: number } {
  const pooled = (hits + hitsNow) / (n + m);
  const deviation = Math.sqrt(pooled * (1 - pooled) * (1 / n + 1 / m));
  const z = deviation === 0 ? 0 : (hitsNow / m - hits / n) / deviation;
  return { z, pValue: normalTwoSided(z) };
}

/**
 * P-values adjusted for their number (Benjamini and Hochberg 1995): calling those at most q significant
 * keeps the expected share of false ones among them at q.
 */
export function benjaminiHochberg(pValues: readonly number[]): number[] {
  const order = pValues.map((_, i) => i).sort((a, b) => (pValues[b] ?? 0) - (pValues[a] ?? 0));
  const adjusted = pValues.map(() => 1);
  let least = 1;
  for (const [place, i] of order.entries()) {
    least = Math.min(least, (pValues[i] ?? 1) * (pValues.length / (pValues.length - place)));
    adjusted[i] = least;
  }
  return adjusted;
}
