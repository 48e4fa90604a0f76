import { createHash } from 'node:crypto';
import type { FeatureSpec } from '../features/feature-spec.ts';
import { type RawValue, timestampMicros } from '../features/raw-values.ts';
import type { AnswerIdentity, ModelInput } from './loaded-version.ts';

/** IEEE 754 knows many NaN; this one stands for all. */
const quietNan = 0x7fc0_0000;

type Input<Kind> = Extract<ModelInput, { readonly kind: Kind }>;
type RowBytes = (row: number) => Uint8Array | string;

function featureBytes({ features, rows }: Input<'features'>): RowBytes {
  const width = features.length / rows;
  const bytes = Buffer.alloc(width * 4);
  return (row) => {
    for (let column = 0; column < width; column += 1) {
      const value = features[row * width + column] ?? Number.NaN;
      if (Number.isNaN(value)) bytes.writeUInt32LE(quietNan, column * 4);
      else bytes.writeFloatLE(value, column * 4);
    }
    return bytes;
  };
}

/** JSON has one zero. */
const written = (value: RawValue): unknown => (Object.is(value, -0) ? ['-0'] : value);

/** One instant may be written in many ways. */
function instant(value: RawValue): RawValue {
  return typeof value === 'string' ? (timestampMicros(value) ?? value) : value;
}

function columnBytes({ columns }: Input<'columns'>, spec: FeatureSpec): RowBytes {
  const values = (spec.columns ?? []).map(({ name, type }) => {
    const found = columns[name] ?? [];
    return type === 'timestamp' ? found.map(instant) : found;
  });
  return (row) => JSON.stringify(values.map((column) => written(column[row] ?? null)));
}

/**
 * One key per row: SHA-256 of the graph's hash, the features' hash and the row as the graph sees it, so
 * that an entry says what it answers and under which version. All parts but the row have one length, and
 * a version's rows have one form, a fixed number of 32-bit numbers or of raw values as a JSON array: no
 * two inputs are written as the same bytes.
 */
export function predictionKeys(
  { modelSha256, featuresSha256 }: AnswerIdentity,
  spec: FeatureSpec,
  input: ModelInput,
): string[] {
  const version = createHash('sha256').update(modelSha256, 'hex').update(featuresSha256, 'hex');
  const bytesOf = input.kind === 'features' ? featureBytes(input) : columnBytes(input, spec);
  return Array.from({ length: input.rows }, (_, row) =>
    version.copy().update(bytesOf(row)).digest('base64url'),
  );
}
