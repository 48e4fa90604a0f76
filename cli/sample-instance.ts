import type { FeatureSpec, FittedFeature } from '../core/features/feature-spec.ts';
import { allowedValue, type ExampleValue as Value } from '../core/inference/example-instance.ts';
import type { ParitySample } from '../core/inference/parity/parity-sample.ts';
import type { Signature, SignatureColumn } from '../core/inference/signature.ts';

/** The raw value behind a feature's; undefined where the transform keeps too little of it. */
function rawValue(feature: FittedFeature, value: number): Value | undefined {
  if (feature.transform === 'categorical') return feature.vocabulary?.[value];
  if (feature.columnType === 'boolean') return value === 1;
  if (feature.transform === 'numeric') return value;
  return feature.transform === 'log1p' ? Math.round(Math.expm1(value)) : undefined;
}

type SampledValue = (column: SignatureColumn) => Value | undefined;

const isWhole = (values: readonly unknown[]): boolean => values.every((value) => value !== null);

/** What the first row without a gap was, as far as its features lead back to it. */
function valueBehind(
  spec: FeatureSpec,
  { data, shape: [rows, width] }: Extract<ParitySample['input'], { shape: unknown }>,
): SampledValue {
  const row = Array.from({ length: rows }, (_, i) => data.slice(i * width, i * width + width)).find(
    isWhole,
  );
  return (column) => {
    const known = spec.features.flatMap((feature, i) => {
      const value = feature.column === column.name ? row?.[i] : undefined;
      const raw = value === undefined || value === null ? undefined : rawValue(feature, value);
      return raw === undefined ? [] : [raw];
    });
    return known[0];
  };
}

/** The first row without a gap, or the first. */
function valueOfRow({
  columns,
  rows,
}: Extract<ParitySample['input'], { rows: number }>): SampledValue {
  const values = Object.values(columns);
  const whole = Array.from({ length: rows }, (_, i) => i).find((i) =>
    isWhole(values.map((column) => column[i])),
  );
  return ({ name }) => columns[name]?.[whole ?? 0] ?? undefined;
}

/** What the model does not read and its owner does: the key, by which feedback finds a row, and its times. */
const alongside = ({ passthrough, entityKey }: Signature): SignatureColumn[] =>
  passthrough.filter(({ name, type }) => name === entityKey || type === 'timestamp');

/**
 * An instance that the model takes, with the values of a row that it was trained on (of the parity sample)
 * as far as they are known.
 */
export function sampleInstance(
  signature: Signature,
  spec: FeatureSpec,
  { input }: Pick<ParitySample, 'input'>,
  now: Date,
): Record<string, Value> {
  const sampled = 'rows' in input ? valueOfRow(input) : valueBehind(spec, input);
  return Object.fromEntries(
    [...signature.inputs, ...alongside(signature)].map((column) => [
      column.name,
      sampled(column) ?? allowedValue(column, now),
    ]),
  );
}
