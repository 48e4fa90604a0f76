import { createHash } from 'node:crypto';
import type { FeatureSpec } from '../../core/features/feature-spec.ts';
import type { Signature } from '../../core/inference/signature.ts';
import { type BuiltVersion, modelVersion } from './model-version.ts';
import { columnsModel, columnsPrediction, type GraphColumn } from './onnx-model.ts';

const hash = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');

/** What a parcel is made of, with names as a file's header has them. */
export const parcelColumns: readonly GraphColumn[] = [
  { name: 'Length (cm)', weight: 0.01 },
  { name: 'fragile?', weight: -1 },
  { name: 'sent.at', weight: 1e-16 },
  { name: 'carrier', points: { north: 0.5, south: -0.25, '': 0.125 }, others: 0 },
];
export const parcelBias = 0.25;

export const columnsSpec = (model = 'parcel-weight'): FeatureSpec => {
  const number = { transform: 'numeric', kind: 'numeric' } as const;
  return {
    model,
    specHash: hash('columns'),
    input: 'columns',
    columns: [
      { name: 'Length (cm)', type: 'number' },
      { name: 'fragile?', type: 'boolean' },
      { name: 'sent.at', type: 'timestamp' },
      { name: 'carrier', type: 'string' },
    ],
    features: [
      { name: 'Length (cm)', column: 'Length (cm)', columnType: 'number', ...number },
      { name: 'fragile?', column: 'fragile?', columnType: 'boolean', ...number },
      {
        name: 'carrier',
        column: 'carrier',
        columnType: 'string',
        transform: 'categorical',
        kind: 'categorical',
        vocabulary: ['north', 'south'],
      },
    ],
  };
};

const column = { nullable: true, sensitive: false };
export const columnsSignature = (
  model = 'parcel-weight',
  runtime: Signature['runtime'] = 'onnx',
): Signature => ({
  model,
  task: 'binary_classification',
  inputs: [
    { ...column, name: 'Length (cm)', type: 'number' },
    { ...column, name: 'fragile?', type: 'boolean' },
    { ...column, name: 'sent.at', type: 'timestamp' },
    { ...column, name: 'carrier', type: 'string' },
  ],
  passthrough: [],
  runtime,
});

/** Rows as callers send them. */
export type Parcel = Readonly<Record<string, string | number | boolean | null>>;

/** What the graph answers, by 64-bit arithmetic. */
export function parcelPrediction(parcel: Parcel): number {
  const sent = parcel['sent.at'];
  const micros = typeof sent === 'string' ? Date.parse(sent) * 1_000 : null;
  const numbers = Object.entries({ ...parcel, 'sent.at': micros }).map(
    ([name, value]) => [name, typeof value === 'boolean' ? Number(value) : value] as const,
  );
  return columnsPrediction(parcelColumns, parcelBias, Object.fromEntries(numbers));
}

const sampled: readonly Parcel[] = [
  { 'Length (cm)': 10, 'fragile?': true, 'sent.at': '2026-05-31T14:30:00Z', carrier: 'north' },
  { 'Length (cm)': null, 'fragile?': null, 'sent.at': null, carrier: null },
];

/** A version that takes raw columns: its registry record and its artifacts. */
export function columnsVersion(version: number, model = 'parcel-weight'): BuiltVersion {
  const { record } = modelVersion(version, { weights: [0, 0], bias: 0 }, model);
  const parity = {
    input: {
      columns: Object.fromEntries(
        columnsSignature().inputs.map(({ name }) => [
          name,
          sampled.map((row) => row[name] ?? null),
        ]),
      ),
      rows: sampled.length,
    },
    output: { data: sampled.map(parcelPrediction), shape: [sampled.length, 1] },
    tolerance: 1e-6,
  };
  const files = {
    'model.onnx': columnsModel(parcelColumns, parcelBias),
    'signature.json': Buffer.from(JSON.stringify(columnsSignature(model))),
    'features.json': Buffer.from(JSON.stringify(columnsSpec(model))),
    'parity.json': Buffer.from(JSON.stringify(parity)),
    'metrics.json': Buffer.from('{}'),
    'environment.json': Buffer.from('{}'),
  };
  const entries = Object.entries(files);
  return {
    objects: new Map(entries.map(([name, bytes]) => [`${record.artifactsPrefix}${name}`, bytes])),
    record: {
      ...record,
      artifacts: Object.fromEntries(
        entries.map(([name, bytes]) => [name, { sha256: hash(bytes), bytes: bytes.length }]),
      ),
    },
  };
}
