import type { DriftBar } from './drift-report.ts';
import {
  contingencyTest,
  jensenShannonDistance,
  kolmogorovSmirnov,
  kolmogorovSmirnovPValue,
  populationStabilityIndex,
  rareCells,
  wasserstein,
} from './drift-statistics.ts';
import type { CategoryCells, Cells, Distribution } from './profile.ts';
import { cellBounds, decileGroups, type NumericCells } from './quantile-cells.ts';

const total = (counts: readonly number[]): number => counts.reduce((sum, count) => sum + count, 0);

/** Counts of both sides in the same cells, with names for people. */
interface Table {
  readonly labels: readonly string[];
  readonly reference: readonly number[];
  readonly current: readonly number[];
}

/** Adds up the cells of each group; groups are numbered from 0 in ascending order. */
function merged(counts: readonly number[], groups: readonly number[], number: number): number[] {
  const sums = new Array<number>(number).fill(0);
  for (const [cell, group] of groups.entries()) {
    sums[group] = (sums[group] ?? 0) + (counts[cell] ?? 0);
  }
  return sums;
}

const shown = (value: number): string => String(Number(value.toPrecision(4)));

/** Numbers in about ten cells of the reference. */
function deciles(
  cells: NumericCells,
  reference: readonly number[],
  current: readonly number[],
): Table {
  const groups = decileGroups(reference);
  const present = [...new Set(groups)].sort((a, b) => a - b);
  const places = new Map(present.map((group, place) => [group, place]));
  const dense = groups.map((group) => places.get(group) ?? 0);
  const bounds = cellBounds(cells);
  const labels = present.map((_, place) => {
    const from = bounds[dense.indexOf(place)]?.from ?? 0;
    const to = bounds[dense.lastIndexOf(place)]?.to ?? from;
    if (from === to) return shown(from);
    if (place === 0) return `≤ ${shown(to)}`;
    return place === present.length - 1 ? `≥ ${shown(from)}` : `${shown(from)} … ${shown(to)}`;
  });
  return {
    labels,
    reference: merged(reference, dense, present.length),
    current: merged(current, dense, present.length),
  };
}

const categories = ({ values }: CategoryCells, reference: number[], current: number[]): Table => ({
  labels: [...values.map(String), '__other__', '__new__'],
  reference,
  current,
});

/** Cells that are too rare on either side become one, at the end. */
function pooled({ labels, reference, current }: Table): Table {
  const rare = rareCells(reference, current);
  const common = labels.map((_, cell) => cell).filter((cell) => !rare[cell]);
  const groups = rare.map((isRare, cell) => (isRare ? common.length : common.indexOf(cell)));
  const number = common.length + (rare.includes(true) ? 1 : 0);
  return {
    labels: [
      ...common.map((cell) => labels[cell] ?? ''),
      ...(number > common.length ? ['rare ones'] : []),
    ],
    reference: merged(reference, groups, number),
    current: merged(current, groups, number),
  };
}

/** Where in the cells of a number a share of the reference lies. */
function position(cells: NumericCells, reference: readonly number[], share: number): number {
  const bounds = cellBounds(cells);
  const wanted = share * total(reference);
  let seen = 0;
  for (const [cell, count] of reference.entries()) {
    const { from, to } = bounds[cell] ?? { from: 0, to: 0 };
    if (seen + count >= wanted)
      return count === 0 ? from : from + ((to - from) * (wanted - seen)) / count;
    seen += count;
  }
  return bounds.at(-1)?.to ?? 0;
}

function ofNumbers(cells: NumericCells, reference: number[], current: number[]) {
  const middles = cellBounds(cells).map(({ from, to }) => (from + to) / 2);
  const iqr = position(cells, reference, 0.75) - position(cells, reference, 0.25);
  const d = kolmogorovSmirnov(reference, current);
  return {
    kolmogorovSmirnov: {
      d: Math.min(d, 1),
      pValue: kolmogorovSmirnovPValue(d, total(reference), total(current)),
    },
    wasserstein: iqr > 0 ? wasserstein(middles, reference, current) / iqr : null,
  };
}

const longestHistogram = 24;

/** The largest bars of categories, all of a number's. */
function bars({ labels, reference, current }: Table, ordered: boolean): DriftBar[] {
  const [n, m] = [total(reference), total(current)];
  const all = labels.map((label, cell) => ({
    label,
    reference: n === 0 ? 0 : (reference[cell] ?? 0) / n,
    current: m === 0 ? 0 : (current[cell] ?? 0) / m,
  }));
  if (ordered) return all;
  return all
    .filter((bar) => bar.reference > 0 || bar.current > 0)
    .sort((a, b) => b.reference + b.current - (a.reference + a.current))
    .slice(0, longestHistogram);
}

function tableOf(cells: Cells, reference: number[], current: number[]): Table {
  return cells.kind === 'numeric'
    ? deciles(cells, reference, current)
    : categories(cells, reference, current);
}

export const histogram = ({ cells, reference }: Distribution, current: number[]): DriftBar[] =>
  bars(tableOf(cells, reference.counts, current), cells.kind === 'numeric');

/** How differently the rows with a value are spread. Both sides need at least one. */
export function compareShapes({ cells, reference }: Distribution, current: number[]) {
  const table = pooled(tableOf(cells, reference.counts, current));
  const sides = [table.reference, table.current] as const;
  const { pValue, cramersV } = contingencyTest(...sides);
  return {
    psi: populationStabilityIndex(...sides),
    pValue,
    cramersV: Math.min(cramersV, 1),
    jensenShannon: Math.min(jensenShannonDistance(...sides), 1),
    ...(cells.kind === 'numeric' ? ofNumbers(cells, reference.counts, current) : {}),
  };
}
