import type { ColumnSummary } from './column-summary.ts';
import type { DeclaredFeature } from './features-section.ts';
import type { Guess, InferredData } from './infer-definition.ts';

const mostCategories = 1_000;
const dayMicros = 86_400_000_000;

const featureName = (column: string): string => {
  const name = column.replaceAll(/[^A-Za-z0-9_]+/g, '_').replaceAll(/^_+|_+$/g, '');
  return /^[A-Za-z_]/.test(name) ? name : `c_${name}`;
};

type Transforms = readonly (readonly [suffix: string, transform: DeclaredFeature['transform']])[];

function transformsOf(
  type: InferredData['columns'][number]['type'],
  summary: ColumnSummary,
  rows: number,
): { transforms: Transforms; why: string } {
  switch (type) {
    case 'integer':
    case 'number':
    case 'boolean':
      return { transforms: [['', 'numeric']], why: 'the value as it is' };
    case 'string': {
      const words = summary.distinct.toLocaleString('en-US');
      const isCategory = summary.distinct <= mostCategories && summary.distinct * 2 <= rows;
      return isCategory
        ? { transforms: [['', 'categorical']], why: `${words} different values` }
        : { transforms: [], why: `free text, or a name: ${words} different values` };
    }
    case 'timestamp': {
      const inDays = [summary.earliestMicros, summary.latestMicros].every(
        (micros) => (micros ?? 0) % dayMicros === 0,
      );
      const day: Transforms = [['_day_of_week', 'dayOfWeek']];
      return {
        transforms: inDays ? day : [...day, ['_hour', 'hourOfDay']],
        why: 'known when the prediction is asked for?',
      };
    }
  }
}

/** Declared features of every column that may be one, and which columns are none, with the reason. */
export function inferFeatures(
  { columns, key, data: { label } }: InferredData,
  summaries: readonly ColumnSummary[],
  rows: number,
) {
  const declared: Record<string, DeclaredFeature> = {};
  const guesses: Guess[] = [];
  const leftOut: { column: string; why: string }[] = [];
  const taken = new Set<string>();
  for (const { name, type } of columns) {
    const summary = summaries.find((each) => each.name === name);
    if (name === label || summary === undefined) continue;
    if (name === key) {
      leftOut.push({ column: name, why: 'the key says which row it is, not what it is like' });
      continue;
    }
    if (summary.distinct < 2) {
      leftOut.push({ column: name, why: 'it has the same value in every row' });
      continue;
    }
    const { transforms, why } = transformsOf(type, summary, rows);
    if (transforms.length === 0) leftOut.push({ column: name, why });
    for (const [suffix, transform] of transforms) {
      let feature = `${featureName(name)}${suffix}`;
      while (taken.has(feature.toLowerCase())) feature += '_';
      taken.add(feature.toLowerCase());
      declared[feature] = { transform, column: name };
      guesses.push({ path: `features.declared.${feature}`, why });
    }
  }
  return { declared, guesses, leftOut };
}
