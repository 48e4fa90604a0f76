import type { RawValue } from './raw-values.ts';

export type Category = Exclude<RawValue, null>;

/** Where the definition sets no limit. */
const mostCategories = 10_000;

function compareCategories(a: Category, b: Category): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** The most frequent values first; equally frequent ones in the order of their names. */
export function vocabulary(
  counts: ReadonlyMap<Category, number>,
  limit = mostCategories,
): Category[] {
  return [...counts]
    .sort(([a, aCount], [b, bCount]) => bCount - aCount || compareCategories(a, b))
    .slice(0, limit)
    .map(([value]) => value);
}
