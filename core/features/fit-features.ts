import { hashOf } from '../canonical-json.ts';
import type { ModelDefinition } from '../model/define-model.ts';
import type { FeatureSpec, FittedFeature } from './feature-spec.ts';
import type { RawColumns, RawValue } from './raw-values.ts';

type Category = Exclude<RawValue, null>;

/** Goes up when the same rows and the same definition would give other features. */
const computationVersion = 1;
/** Where the definition sets no limit. */
const mostCategories = 10_000;

/**
 * Identity of features: what they are computed from and how. Known before a row is read, because the
 * vocabularies follow from the snapshot's training rows.
 */
export const featureSpecHash = (definition: ModelDefinition, snapshotId: string): string =>
  hashOf({
    computationVersion,
    snapshotId,
    model: definition.name,
    data: definition.data,
    features: definition.features,
    holdout: definition.evaluation.holdout,
  });

function compareCategories(a: Category, b: Category): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function vocabulary(counts: ReadonlyMap<Category, number>, limit = mostCategories): Category[] {
  return [...counts]
    .sort(([a, aCount], [b, bCount]) => bCount - aCount || compareCategories(a, b))
    .slice(0, limit)
    .map(([value]) => value);
}

/** Learns what features need to know of the training rows, chunk by chunk. */
export function featureFitter(definition: ModelDefinition, snapshotId: string) {
  const declared = Object.entries(definition.features.declared);
  const counts = new Map<string, Map<Category, number>>();
  for (const [, { transform, column }] of declared) {
    if (transform === 'categorical') counts.set(column, new Map());
  }

  const fitted = ([name, feature]: (typeof declared)[number]): FittedFeature => {
    const { transform, column, maximumCategories } = feature;
    const columnType = definition.data.columns[column]?.type ?? 'string';
    if (transform !== 'categorical')
      return { name, transform, column, columnType, kind: 'numeric' };
    const words = vocabulary(counts.get(column) ?? new Map(), maximumCategories);
    return { name, transform, column, columnType, kind: 'categorical', vocabulary: words };
  };

  return {
    /** The columns that have to be given to `add`. */
    columns: [...counts.keys()],

    /** Takes training rows in; `taken` says of each row whether it is one. */
    add(columns: RawColumns, taken: (row: number) => boolean = () => true): void {
      for (const [column, seen] of counts) {
        for (const [row, value] of (columns[column] ?? []).entries()) {
          if (value !== null && taken(row)) seen.set(value, (seen.get(value) ?? 0) + 1);
        }
      }
    },

    spec: (): FeatureSpec => ({
      model: definition.name,
      specHash: featureSpecHash(definition, snapshotId),
      features: declared.map(fitted),
    }),
  };
}

/** The features of a definition, fitted to training rows whose order does not matter. */
export function fitFeatures(
  definition: ModelDefinition,
  snapshotId: string,
  trainingColumns: RawColumns,
): FeatureSpec {
  const fitter = featureFitter(definition, snapshotId);
  fitter.add(trainingColumns);
  return fitter.spec();
}
