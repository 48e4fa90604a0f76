import type { FeatureSpec } from '../core/features/feature-spec.ts';
import type { Signature, SignatureColumn } from '../core/inference/signature.ts';

type Value = string | number | boolean;

function sampleValue(column: SignatureColumn, spec: FeatureSpec, now: Date): Value {
  const known = spec.features.find(
    (feature) => feature.column === column.name && feature.vocabulary !== undefined,
  )?.vocabulary?.[0];
  if (known !== undefined) return known;
  const [allowed] = column.allowed ?? [];
  if (allowed !== undefined) return allowed;
  const { minimum = 0, maximum = minimum + 1_000 } = column;
  switch (column.type) {
    case 'boolean':
      return true;
    case 'timestamp':
      return `${now.toISOString().slice(0, 19)}Z`;
    case 'string':
      return 'example';
    default:
      return Math.round((minimum + maximum) / 2);
  }
}

/** An instance that the model takes: values it was trained on where its features know them. */
export const sampleInstance = (
  signature: Signature,
  spec: FeatureSpec,
  now: Date,
): Record<string, Value> =>
  Object.fromEntries(
    signature.inputs.map((column) => [column.name, sampleValue(column, spec, now)]),
  );
