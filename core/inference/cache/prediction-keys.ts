import { hash } from 'node:crypto';
import type { FeatureSpec } from '../../features/feature-spec.ts';
import { type RawValue, timestampMicros } from '../../features/raw-values.ts';
import type { AnswerIdentity, ModelInput } from '../versions/loaded-version.ts';

/** IEEE 754 knows many NaN; this one stands for all. */
const quietNan = 0x7fc0_0000;

type Input<Kind> = Extract<ModelInput, { readonly kind: Kind }>;

const known = new WeakMap<AnswerIdentity, Buffer>();

/** What the keys of a version begin with. */
function versionBytes(identity: AnswerIdentity): Buffer {
  const found = known.get(identity);
  if (found) return found;
  const bytes = Buffer.from(identity.modelSha256 + identity.featuresSha256, 'hex');
  known.set(identity, bytes);
  return bytes;
}

const keyOf = (bytes: Uint8Array): string => hash('sha256', bytes, 'base64url');

function featureKeys(version: Buffer, { features, rows }: Input<'features'>): string[] {
  const width = features.length / rows;
  const values = features.slice();
  const words = new Uint32Array(values.buffer);
  for (let at = 0; at < values.length; at += 1) {
    if (Number.isNaN(values[at])) words[at] = quietNan;
  }
  // One buffer for all rows: what a key is about lies in it behind its version.
  const bytes = Buffer.alloc(version.length + width * 4);
  bytes.set(version);
  const all = Buffer.from(values.buffer);
  const keys = new Array<string>(rows);
  for (let row = 0; row < rows; row += 1) {
    all.copy(bytes, version.length, row * width * 4, (row + 1) * width * 4);
    keys[row] = keyOf(bytes);
  }
  return keys;
}

/** JSON has one zero. */
const written = (value: RawValue): unknown => (Object.is(value, -0) ? ['-0'] : value);

/** One instant may be written in many ways. */
function instant(value: RawValue): RawValue {
  return typeof value === 'string' ? (timestampMicros(value) ?? value) : value;
}

function columnKeys(
  version: Buffer,
  { columns, rows }: Input<'columns'>,
  spec: FeatureSpec,
): string[] {
  const values = (spec.columns ?? []).map(({ name, type }) => {
    const found = columns[name] ?? [];
    return type === 'timestamp' ? found.map(instant) : found;
  });
  return Array.from({ length: rows }, (_, row) => {
    const text = JSON.stringify(values.map((column) => written(column[row] ?? null)));
    return keyOf(Buffer.concat([version, Buffer.from(text)]));
  });
}

/**
 * One key per row: SHA-256 of the graph's hash, the features' hash and the row as the graph sees it, so
 * that an entry says what it answers and under which version. All parts but the row have one length, and
 * a version's rows have one form, a fixed number of 32-bit numbers, little-endian, or of raw values as a
 * JSON array: no two inputs are written as the same bytes.
 */
export function predictionKeys(
  identity: AnswerIdentity,
  spec: FeatureSpec,
  input: ModelInput,
): string[] {
  const version = versionBytes(identity);
  return input.kind === 'features' ? featureKeys(version, input) : columnKeys(version, input, spec);
}
