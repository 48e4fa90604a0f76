// Writes small ONNX graphs in the protobuf wire format, so that tests need no binary fixtures.
// Field numbers are those of onnx.proto (github.com/onnx/onnx, onnx/onnx.proto).

const varint = (value: number): Buffer => {
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return Buffer.from(bytes);
};
const integer = (field: number, value: number) => Buffer.concat([varint(field * 8), varint(value)]);
const nested = (field: number, ...parts: Uint8Array[]) => {
  const content = Buffer.concat(parts);
  return Buffer.concat([varint(field * 8 + 2), varint(content.length), content]);
};
const text = (field: number, value: string) => nested(field, Buffer.from(value));

const float = 1;

const tensor = (name: string, dims: number[], values: number[]) => {
  const raw = Buffer.from(Float32Array.from(values).buffer);
  const shape = dims.map((dim) => integer(1, dim));
  return nested(5, ...shape, integer(2, float), text(8, name), nested(9, raw));
};

const node = (operator: string, inputs: string[], output: string) =>
  nested(1, ...inputs.map((name) => text(1, name)), text(2, output), text(4, operator));

const value = (field: 11 | 12, name: string, columns: number) => {
  const rows = nested(1, text(2, 'N'));
  const shape = nested(2, rows, nested(1, integer(1, columns)));
  return nested(field, text(1, name), nested(2, nested(1, integer(1, float), shape)));
};

export interface LinearModel {
  /** One per feature; a missing feature counts as 0. */
  readonly weights: readonly number[];
  readonly bias: number;
  /** Name of the graph's output; 'prediction' unless a test wants it wrong. */
  readonly output?: string;
}

/** prediction = sigmoid(features · weights + bias), as a complete ONNX file. */
export function linearModel({ weights, bias, output = 'prediction' }: LinearModel): Buffer {
  const width = weights.length;
  const graph = nested(
    7,
    node('IsNaN', ['features'], 'missing'),
    node('Where', ['missing', 'zero', 'features'], 'present'),
    node('Gemm', ['present', 'weights', 'bias'], 'sum'),
    node('Sigmoid', ['sum'], output),
    text(2, 'linear'),
    tensor('zero', [1], [0]),
    tensor('weights', [width, 1], [...weights]),
    tensor('bias', [1], [bias]),
    value(11, 'features', width),
    value(12, output, 1),
  );
  const opset = nested(8, text(1, ''), integer(2, 17));
  return Buffer.concat([integer(1, 8), graph, opset]);
}

/** What `linearModel` answers, computed without ONNX Runtime, in 64 bits. */
export function linearPrediction(model: LinearModel, features: readonly number[]): number {
  const sum = model.weights.reduce(
    (total, weight, i) => total + weight * (Number.isNaN(features[i]) ? 0 : (features[i] ?? 0)),
    model.bias,
  );
  return 1 / (1 + Math.exp(-sum));
}
