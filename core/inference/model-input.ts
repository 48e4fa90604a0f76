import { computeFeatures } from '../features/compute-features.ts';
import type { FeatureSpec } from '../features/feature-spec.ts';
import type { RawColumns, RawValue } from '../features/raw-values.ts';
import type { ModelInput } from './versions/loaded-version.ts';

interface RawRows {
  readonly rows: number;
  readonly columns: RawColumns;
}

/** What a model of this spec takes of raw rows. */
export function modelInput(spec: FeatureSpec, { rows, columns }: RawRows): ModelInput {
  if (!spec.columns) {
    return { kind: 'features', rows, features: computeFeatures(spec, { rows, columns }) };
  }
  const none: readonly RawValue[] = new Array<null>(rows).fill(null);
  const taken = spec.columns.map(({ name }) => [name, columns[name] ?? none] as const);
  return { kind: 'columns', rows, columns: Object.fromEntries(taken) };
}

/** Some of an input's rows, by their places in it, in that order. */
export function inputRows(input: ModelInput, picked: readonly number[]): ModelInput {
  const rows = picked.length;
  if (input.kind === 'columns') {
    const columns = Object.entries(input.columns).map(
      ([name, values]) => [name, picked.map((row) => values[row] ?? null)] as const,
    );
    return { kind: 'columns', rows, columns: Object.fromEntries(columns) };
  }
  const width = input.features.length / input.rows;
  const features = new Float32Array(rows * width);
  for (const [index, row] of picked.entries()) {
    features.set(input.features.subarray(row * width, (row + 1) * width), index * width);
  }
  return { kind: 'features', rows, features };
}
