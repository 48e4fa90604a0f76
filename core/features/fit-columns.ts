import { type Category, vocabulary } from './category-counts.ts';
import type { FeatureFitter } from './feature-fitter.ts';
import type { FeatureSpec, FittedFeature, InputColumn } from './feature-spec.ts';
import type { RawColumns } from './raw-values.ts';

/** As many values of a column of text as are watched, each by itself. */
export const watchedCategories = 100;
/** A column with more values than this is text: they are not counted on. */
const mostCounted = 100_000;
/** So is one with a longer value. */
const longestWord = 500;

/** Counts the values of one column of strings. */
function stringCounter() {
  const counts = new Map<Category, number>();
  let rows = 0;
  let isText = false;
  return {
    add(value: Category): void {
      if (isText) return;
      rows += 1;
      counts.set(value, (counts.get(value) ?? 0) + 1);
      if (counts.size <= mostCounted && String(value).length <= longestWord) return;
      isText = true;
      counts.clear();
    },

    /**
     * The most frequent values; undefined of a column that is text or names things: more than half of its
     * rows have a value of their own, or the most frequent values cover less than half of them.
     */
    watched(): Category[] | undefined {
      if (isText || counts.size * 2 > rows) return undefined;
      const words = vocabulary(counts, watchedCategories);
      const covered = words.reduce<number>((sum, word) => sum + (counts.get(word) ?? 0), 0);
      return covered * 2 >= rows ? words : undefined;
    },
  };
}

/**
 * For a model that takes raw columns: which features the log, drift and comparisons see of them. A number
 * or a boolean is watched as it is, a string by its most frequent values; times, texts and names are not.
 */
export function columnFitter(
  of: Pick<FeatureSpec, 'model' | 'specHash'>,
  columns: readonly InputColumn[],
): FeatureFitter {
  const counters = new Map(
    columns.filter(({ type }) => type === 'string').map(({ name }) => [name, stringCounter()]),
  );

  const watched = ({ name, type }: InputColumn): FittedFeature[] => {
    if (type === 'timestamp') return [];
    const feature = { name, column: name, columnType: type };
    if (type !== 'string') return [{ ...feature, transform: 'numeric', kind: 'numeric' }];
    const words = counters.get(name)?.watched();
    return words
      ? [{ ...feature, transform: 'categorical', kind: 'categorical', vocabulary: words }]
      : [];
  };

  return {
    columns: [...counters.keys()],

    add(chunk: RawColumns, taken = () => true): void {
      for (const [name, counter] of counters) {
        for (const [row, value] of (chunk[name] ?? []).entries()) {
          if (value !== null && taken(row)) counter.add(value);
        }
      }
    },

    spec: () => ({
      ...of,
      input: 'columns',
      columns: [...columns],
      features: columns.flatMap(watched),
    }),
  };
}
