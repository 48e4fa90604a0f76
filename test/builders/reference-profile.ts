import {
  type Cells,
  cellCounter,
  type Distribution,
  type ReferenceProfile,
  type TrainingProfile,
} from '../../core/monitoring/profile.ts';
import { quantileCells } from '../../core/monitoring/quantile-cells.ts';
import { featureSpec } from './model-version.ts';

function distribution(cells: Cells, values: readonly number[]): Distribution {
  const counter = cellCounter(cells);
  for (const value of values) counter.add(value);
  return { cells, reference: counter.counted() };
}
const ofNumbers = (values: readonly number[]): Distribution =>
  distribution(quantileCells(Float64Array.from(values), 256), values);

/** Rows of the model of `model-version.ts`: length spreads evenly over 0 … 199, items over 0 … 4. */
export const parcels = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ length: (i * 37) % 200, items: (i * 13) % 5 }));

/** Of 5,000 parcels. */
export function trainingProfile(model = 'parcel-weight'): TrainingProfile {
  const spec = featureSpec(model);
  const rows = parcels(5_000);
  return {
    model,
    specHash: spec.specHash,
    rows: rows.length,
    features: (['length', 'items'] as const).map((name) => ({
      name,
      column: name,
      transform: 'numeric',
      distribution: ofNumbers(rows.map((row) => row[name])),
    })),
    label: distribution(
      { kind: 'categorical', values: [0, 1] },
      rows.map(({ length }) => Number(length > 100)),
    ),
  };
}

/** With predictions that the function makes of a row. */
export const referenceProfile = (
  predict: (row: { readonly length: number; readonly items: number }) => number,
  model = 'parcel-weight',
): ReferenceProfile => ({
  ...trainingProfile(model),
  prediction: ofNumbers(parcels(5_000).map(predict)),
});
