import * as z from 'zod';

/**
 * Cells of a number's line. Edges ascend; an edge that many rows equal exactly is an atom, with a cell of
 * its own. In order: the interval below the first edge, that edge if it is an atom, the next interval, …;
 * an edge that is no atom belongs to the interval on its right, and the outer intervals have no end.
 */
export const NumericCells = z
  .strictObject({
    kind: z.literal('numeric'),
    edges: z.array(z.number()),
    /** One per edge. */
    atoms: z.array(z.boolean()),
    /** Smallest and largest value of the sample; null where it had none. */
    range: z.tuple([z.number(), z.number()]).nullable(),
  })
  .refine(({ edges, atoms }) => edges.length === atoms.length, {
    error: 'there is one entry of atoms per edge',
  });
export type NumericCells = z.infer<typeof NumericCells>;

/** Of values in ascending order, interpolated linearly: type 7 of Hyndman and Fan (1996). */
export function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] ?? Number.NaN;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] ?? low;
  const part = place - below;
  // From the nearer end, which rounds better and meets both ends exactly.
  return part >= 0.5 ? high - (high - low) * (1 - part) : low + (high - low) * part;
}

function occurs(sorted: Float64Array, value: number): boolean {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return sorted[low] === value;
}

/**
 * Cells that hold about equally many values of a sample.
 * @param values finite, in any order
 * @param parts how many; fewer where values repeat
 */
export function quantileCells(values: Float64Array, parts: number): NumericCells {
  const sorted = values.toSorted();
  if (sorted.length === 0) return { kind: 'numeric', edges: [], atoms: [], range: null };
  // Shares as NumPy's linspace has them, to the last bit; + 0: there is one zero.
  const marks = Array.from(
    { length: parts + 1 },
    (_, i) => quantile(sorted, i === parts ? 1 : i * (1 / parts)) + 0,
  );
  const repeated = new Set(
    marks.filter((mark, i) => i > 0 && mark === marks[i - 1] && occurs(sorted, mark)),
  );
  const edges = [...new Set([...marks.slice(1, -1), ...repeated])].sort((a, b) => a - b);
  return {
    kind: 'numeric',
    edges,
    atoms: edges.map((edge) => repeated.has(edge)),
    range: [(sorted[0] ?? 0) + 0, (sorted.at(-1) ?? 0) + 0],
  };
}

export const numberOfCells = ({ edges, atoms }: NumericCells): number =>
  edges.length + atoms.filter(Boolean).length + 1;

/** Makes the function that tells the cell of a finite number. */
export function cellFinder({ edges, atoms }: NumericCells): (value: number) => number {
  // How many atoms lie before each edge.
  let atomsSeen = 0;
  const before = atoms.map((atom) => (atom ? atomsSeen++ : atomsSeen));
  const all = atomsSeen;
  return (value) => {
    let low = 0;
    let high = edges.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((edges[middle] ?? 0) <= value) low = middle + 1;
      else high = middle;
    }
    const last = low - 1;
    if (last >= 0 && atoms[last] && edges[last] === value) return last + (before[last] ?? 0) + 1;
    return low + (before[low] ?? all);
  };
}

/** A cell as the numbers from and to, equal for an atom; the outer ones end with the sample's range. */
export interface CellBounds {
  readonly from: number;
  readonly to: number;
}

export function cellBounds({ edges, atoms, range }: NumericCells): CellBounds[] {
  const [least, most] = range ?? [0, 0];
  const bounds: CellBounds[] = [];
  let from = Math.min(least, edges[0] ?? least);
  for (const [i, edge] of edges.entries()) {
    bounds.push({ from, to: edge });
    if (atoms[i]) bounds.push({ from: edge, to: edge });
    from = edge;
  }
  bounds.push({ from, to: Math.max(most, from) });
  return bounds;
}

/**
 * Merges fine cells to about ten of equal weight: the group of each cell, ascending. A heavy atom is alone
 * in its group, or nearly so.
 */
export function decileGroups(reference: readonly number[]): number[] {
  const n = reference.reduce((sum, count) => sum + count, 0);
  let before = 0;
  return reference.map((count) => {
    const middle = n === 0 ? 0 : (before + count / 2) / n;
    before += count;
    return Math.min(Math.floor(middle * 10), 9);
  });
}
