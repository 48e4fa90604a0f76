import { createHash } from 'node:crypto';
import type { FeatureSpec } from '../../core/features/feature-spec.ts';
import type { Signature } from '../../core/inference/signature.ts';
import { type BuiltVersion, modelVersion } from './model-version.ts';

const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');

export interface ServedVersion {
  readonly model: string;
  readonly version: number;
  /** A graph of the input `features` and the output `prediction`. */
  readonly onnx: Uint8Array;
  /** Rows of its features, and what its trainer answers to them. */
  readonly rows: readonly (readonly number[])[];
  readonly answers: readonly number[];
}

const numbersOf = (rows: ServedVersion['rows']): string[] =>
  (rows[0] ?? []).map((_, index) => `x${index}`);

const signatureOf = (model: string, names: readonly string[]): Signature => ({
  model,
  task: 'binary_classification',
  inputs: names.map((name) => ({ name, type: 'number', nullable: false, sensitive: false })),
  passthrough: [],
  runtime: 'onnx',
  tensor: { input: 'features', output: 'prediction', datatype: 'FP32', width: names.length },
});

const specOf = (model: string, names: readonly string[]): FeatureSpec => ({
  model,
  specHash: sha256(`made up: ${names.join()}`),
  input: 'features',
  features: names.map((name) => ({
    name,
    transform: 'numeric',
    column: name,
    columnType: 'number',
    kind: 'numeric',
  })),
});

/** A version of numbers alone around a graph that Python wrote: its registry record and its artifacts. */
export function servedVersion(served: ServedVersion): BuiltVersion {
  const { model, version, onnx, rows, answers } = served;
  const names = numbersOf(rows);
  const sample = rows.slice(0, 32);
  const { record } = modelVersion(version, { weights: [0, 0], bias: 0 }, model);
  const files = {
    'model.onnx': Buffer.from(onnx),
    'signature.json': Buffer.from(JSON.stringify(signatureOf(model, names))),
    'features.json': Buffer.from(JSON.stringify(specOf(model, names))),
    'parity.json': Buffer.from(
      JSON.stringify({
        input: { data: sample.flat(), shape: [sample.length, names.length] },
        output: { data: answers.slice(0, sample.length), shape: [sample.length, 1] },
        tolerance: 1e-5,
      }),
    ),
  };
  const entries = Object.entries(files);
  const artifacts = entries.map(([name, bytes]) => [
    name,
    { sha256: sha256(bytes), bytes: bytes.length },
  ]);
  return {
    objects: new Map(entries.map(([name, bytes]) => [`${record.artifactsPrefix}${name}`, bytes])),
    record: { ...record, artifacts: { ...record.artifacts, ...Object.fromEntries(artifacts) } },
  };
}
