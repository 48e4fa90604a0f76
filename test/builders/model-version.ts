import { createHash } from 'node:crypto';
import type { FeatureSpec } from '../../core/features/feature-spec.ts';
import type { Signature } from '../../core/inference/signature.ts';
import type { TrainedVersion } from '../../core/registry/records.ts';
import { type LinearModel, linearModel, linearPrediction } from './onnx-model.ts';

const hash = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');
const of = (name: string) => hash(`made up: ${name}`);

/** A model of two numbers, one of them nullable, and a key that comes along. */
export const signature = (model = 'parcel-weight'): Signature => ({
  model,
  task: 'binary_classification',
  inputs: [
    { name: 'length', type: 'number', nullable: false, sensitive: false, minimum: 0, maximum: 300 },
    { name: 'items', type: 'integer', nullable: true, sensitive: false },
  ],
  passthrough: [{ name: 'parcel_id', type: 'string', nullable: false, sensitive: false }],
  entityKey: 'parcel_id',
  runtime: 'onnx',
  tensor: { input: 'features', output: 'prediction', datatype: 'FP32', width: 2 },
});

export const featureSpec = (model = 'parcel-weight'): FeatureSpec => ({
  model,
  specHash: of('spec'),
  input: 'features',
  features: [
    {
      name: 'length',
      transform: 'numeric',
      column: 'length',
      columnType: 'number',
      kind: 'numeric',
    },
    {
      name: 'items',
      transform: 'numeric',
      column: 'items',
      columnType: 'integer',
      kind: 'numeric',
    },
  ],
});

export interface BuiltVersion {
  readonly record: TrainedVersion;
  /** By key in the artifacts bucket. */
  readonly objects: ReadonlyMap<string, Buffer>;
}

/** A version of that model with a linear graph: its registry record and its artifacts. */
export function modelVersion(
  version: number,
  graph: LinearModel,
  model = 'parcel-weight',
): BuiltVersion {
  const rows = [
    [1, 2],
    [10, Number.NaN],
  ];
  const parity = {
    input: { data: rows.flat().map((x) => (Number.isNaN(x) ? null : x)), shape: [2, 2] },
    output: { data: rows.map((row) => linearPrediction(graph, row)), shape: [2, 1] },
    tolerance: 1e-6,
  };
  const artifactsPrefix = `models/${model}/${version}/`;
  const files = {
    'model.onnx': linearModel(graph),
    'signature.json': Buffer.from(JSON.stringify(signature(model))),
    'features.json': Buffer.from(JSON.stringify(featureSpec(model))),
    'parity.json': Buffer.from(JSON.stringify(parity)),
    'metrics.json': Buffer.from('{}'),
    'environment.json': Buffer.from('{}'),
  };
  const entries = Object.entries(files);
  return {
    objects: new Map(entries.map(([name, bytes]) => [`${artifactsPrefix}${name}`, bytes])),
    record: {
      model,
      version,
      trainingId: of(`training ${version}`),
      runId: `${model}-20260101T000000-abcdef`,
      trainingJobName: `${model}-${version}`,
      origin: 'trained',
      artifactsPrefix,
      artifacts: Object.fromEntries(
        entries.map(([name, bytes]) => [name, { sha256: hash(bytes), bytes: bytes.length }]),
      ),
      lineage: {
        data: {
          snapshotId: of('snapshot'),
          manifestKey: `snapshots/${model}/${of('snapshot')}/manifest.json`,
          featureSpecHash: of('spec'),
          rows: { train: 100, holdout: 20 },
        },
        code: { modelHash: of('model'), trainerSha256: of('trainer') },
        hyperparameters: { values: {}, sha256: of('hyperparameters') },
        environment: { trainingImage: 'image', sha256: of('environment') },
        metrics: { sha256: of('metrics'), primary: 'auc', value: 0.6, baseline: 0.5 },
      },
      registeredAt: '2026-01-01T00:00:00.000Z',
    },
  };
}
