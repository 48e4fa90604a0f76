import { hashOf } from '../canonical-json.ts';
import type { ColumnType } from '../model/column.ts';
import type { ModelDefinition } from '../model/define-model.ts';
import type { DeclaredFeature } from '../model/features-section.ts';
import { type Category, vocabulary } from './category-counts.ts';
import type { FeatureFitter } from './feature-fitter.ts';
import type { FeatureSpec, FittedFeature } from './feature-spec.ts';
import { columnFitter } from './fit-columns.ts';
import type { RawColumns } from './raw-values.ts';

/** Goes up when the same rows and the same definition would give other features. */
const computationVersion = 1;

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

/** The fitter of what a definition's model takes. */
export function featureFitter(definition: ModelDefinition, snapshotId: string): FeatureFitter {
  const { declared, inModel } = definition.features;
  const of = { model: definition.name, specHash: featureSpecHash(definition, snapshotId) };
  return inModel
    ? columnFitter(
        of,
        inModel.map((name) => ({
          name,
          type: typeOf(definition, name),
          ...(definition.data.columns[name]?.sensitive && { sensitive: true as const }),
        })),
      )
    : declaredFitter(definition, of, Object.entries(declared ?? {}));
}

const typeOf = ({ data }: ModelDefinition, column: string): ColumnType =>
  data.columns[column]?.type ?? 'string';

function declaredFitter(
  definition: ModelDefinition,
  of: Pick<FeatureSpec, 'model' | 'specHash'>,
  declared: readonly (readonly [string, DeclaredFeature])[],
): FeatureFitter {
  const counts = new Map<string, Map<Category, number>>();
  for (const [, { transform, column }] of declared) {
    if (transform === 'categorical') counts.set(column, new Map());
  }

  const fitted = ([name, feature]: (typeof declared)[number]): FittedFeature => {
    const { transform, column, maximumCategories } = feature;
    const columnType = typeOf(definition, column);
    if (transform !== 'categorical')
      return { name, transform, column, columnType, kind: 'numeric' };
    const words = vocabulary(counts.get(column) ?? new Map(), maximumCategories);
    return { name, transform, column, columnType, kind: 'categorical', vocabulary: words };
  };

  return {
    columns: [...counts.keys()],

    add(columns, taken = () => true): void {
      for (const [column, seen] of counts) {
        for (const [row, value] of (columns[column] ?? []).entries()) {
          if (value !== null && taken(row)) seen.set(value, (seen.get(value) ?? 0) + 1);
        }
      }
    },

    spec: () => ({ ...of, input: 'features', features: declared.map(fitted) }),
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
