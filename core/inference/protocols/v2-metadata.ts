import type { LoadedVersion } from '../versions/loaded-version.ts';
import { columnDatatypes } from './tensor-values.ts';

export type OutputName = 'prediction' | 'prediction_id';
export const outputNames: readonly OutputName[] = ['prediction', 'prediction_id'];

interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
}

/** Body of `GET /v2/models/<model>`. */
export interface ModelMetadata {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: string;
  readonly inputs: readonly TensorMetadata[];
  readonly outputs: readonly TensorMetadata[];
}

export function modelMetadata({ model, version, signature }: LoadedVersion): ModelMetadata {
  return {
    name: model,
    versions: [String(version)],
    platform: signature.runtime === 'onnx' ? 'onnx_onnxv1' : 'sagemaker_container',
    inputs: [...signature.inputs, ...signature.passthrough].map(({ name, type }) => ({
      name,
      datatype: columnDatatypes[type],
      shape: [-1],
    })),
    outputs: outputNames.map((name) => ({
      name,
      datatype: name === 'prediction' ? 'FP32' : 'BYTES',
      shape: [-1],
    })),
  };
}
