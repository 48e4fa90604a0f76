import type { FeatureSpec, FittedFeature } from '../features/feature-spec.ts';
import type { RawColumns } from '../features/raw-values.ts';
import type { ModelDefinition } from '../model/define-model.ts';
import {
  type CellCounter,
  type Cells,
  categoryCells,
  cellCounter,
  featureValue,
  profileCells,
  type TrainingProfile,
} from './profile.ts';
import { quantileCells } from './quantile-cells.ts';

/** From so many rows the quantiles are taken; from fewer they are exact. */
const sampleRows = 100_000;

/** Numbers in [0, 1), the same in every run (Numerical Recipes' linear congruence). */
function uniforms(): () => number {
  let state = 1;
  return () => {
    state = (Math.imul(1_664_525, state) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Rows drawn evenly from a stream of unknown length (Vitter's algorithm R), always the same ones. */
function rowSample(limit: number) {
  const random = uniforms();
  const kept: (readonly number[])[] = [];
  let seen = 0;
  return {
    kept,
    add(row: () => readonly number[]): void {
      const place = seen < limit ? seen : Math.floor(random() * (seen + 1));
      seen += 1;
      if (place < limit) kept[place] = row();
    },
  };
}

const finiteColumn = (rows: readonly (readonly number[])[], column: number): Float64Array =>
  Float64Array.from(rows.flatMap((row) => row[column] ?? [])).filter(Number.isFinite);

/** Features that the prediction log has too: it leaves out what comes from sensitive columns. */
const profiled = (definition: ModelDefinition, { features }: FeatureSpec) =>
  features
    .map((feature, index) => ({ feature, index }))
    .filter(({ feature }) => definition.data.columns[feature.column]?.sensitive !== true);

/** Training rows of one chunk. */
export interface ProfiledRows {
  /** Of the picked rows; NaN = missing. */
  readonly features: readonly Float32Array[];
  readonly labels: readonly number[];
}

/**
 * Makes the reference profile of training rows, which pass by twice: once to find the cells, once to be
 * counted into them. Equal rows in equal order give equal profiles.
 */
export function trainingProfiler(definition: ModelDefinition, spec: FeatureSpec) {
  const watched = profiled(definition, spec);
  const classes = definition.evaluation.task === 'binary_classification';
  const sample = rowSample(sampleRows);

  const cellsOf = ({ kind, vocabulary = [] }: FittedFeature, column: number): Cells =>
    kind === 'categorical'
      ? categoryCells(vocabulary)
      : quantileCells(finiteColumn(sample.kept, column), profileCells);

  return {
    /** The first time. */
    sample({ features, labels }: ProfiledRows): void {
      for (const [row, label] of labels.entries()) {
        sample.add(() => [
          ...watched.map(({ index }) => features[index]?.[row] ?? Number.NaN),
          label,
        ]);
      }
    },

    /** Between the times: what the rows are counted with. */
    counter() {
      const counters = watched.map(
        ({ feature }, column): CellCounter & { readonly cells: Cells } => {
          const cells = cellsOf(feature, column);
          return { cells, ...cellCounter(cells) };
        },
      );
      const labelCells: Cells = classes
        ? { kind: 'categorical', values: [0, 1] }
        : quantileCells(finiteColumn(sample.kept, watched.length), profileCells);
      const label = cellCounter(labelCells);
      let rows = 0;
      return {
        /** The second time, with the raw columns of the chunk and the rows picked of it. */
        add(chunk: ProfiledRows, columns: RawColumns, picked: readonly number[]): void {
          for (const [i, { feature, index }] of watched.entries()) {
            const values = chunk.features[index] ?? [];
            const raw = columns[feature.column] ?? [];
            for (const [n, row] of picked.entries()) {
              counters[i]?.add(featureValue(feature.transform, values[n], raw[row]));
            }
          }
          for (const value of chunk.labels) label.add(value);
          rows += picked.length;
        },

        profile: (): TrainingProfile => ({
          model: definition.name,
          specHash: spec.specHash,
          rows,
          features: watched.map(({ feature }, i) => ({
            name: feature.name,
            column: feature.column,
            transform: feature.transform,
            distribution: {
              cells: counters[i]?.cells ?? categoryCells([]),
              reference: counters[i]?.counted() ?? { counts: [0, 0], missing: 0 },
            },
          })),
          label: { cells: labelCells, reference: label.counted() },
        }),
      };
    },
  };
}
