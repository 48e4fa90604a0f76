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

/** An input of a graph that takes raw columns: what a number counts, or what each text does. */
export type GraphColumn = { readonly name: string } & (
  | { readonly weight: number }
  | { readonly points: Readonly<Record<string, number>>; readonly others: number }
);

const double = 11;
const string = 8;
const named = (name: string, ...parts: Uint8Array[]) => nested(5, text(1, name), ...parts);
const float32 = (field: number, value: number) =>
  Buffer.concat([varint(field * 8 + 5), Buffer.from(Float32Array.of(value).buffer)]);
const [isFloat, isInteger, isFloats, isStrings] = [1, 2, 6, 8].map((type) => integer(20, type));
const domain = text(7, 'ai.onnx.ml');

const operation = (
  operator: string,
  inputs: readonly string[],
  output: string,
  ...more: Uint8Array[]
) => nested(1, ...inputs.map((name) => text(1, name)), text(2, output), text(4, operator), ...more);

/** Nodes that make a column's share of the sum, as `share<i>`. */
function shareOf(column: GraphColumn, i: number): Buffer[] {
  const share = `share${i}`;
  if ('points' in column) {
    const words = Object.entries(column.points);
    return [
      operation(
        'LabelEncoder',
        [column.name],
        share,
        named('keys_strings', ...words.map(([word]) => text(9, word)), isStrings ?? Buffer.of()),
        named(
          'values_floats',
          ...words.map(([, points]) => float32(7, points)),
          isFloats ?? Buffer.of(),
        ),
        named('default_float', float32(2, column.others), isFloat ?? Buffer.of()),
        domain,
      ),
    ];
  }
  return [
    operation('IsNaN', [column.name], `missing${i}`),
    operation('Where', [`missing${i}`, 'none', column.name], `present${i}`),
    operation(
      'Cast',
      [`present${i}`],
      `number${i}`,
      named('to', integer(3, float), isInteger ?? Buffer.of()),
    ),
    operation('Mul', [`number${i}`, `weight${i}`], share),
  ];
}

const columnInput = ({ name, ...column }: GraphColumn) => {
  const dims = nested(2, nested(1, text(2, 'N')), nested(1, integer(1, 1)));
  const type = integer(1, 'points' in column ? string : double);
  return nested(11, text(1, name), nested(2, nested(1, type, dims)));
};

/** prediction = sigmoid(bias + each column's share), an input per raw column; what is missing counts 0. */
export function columnsModel(columns: readonly GraphColumn[], bias: number): Buffer {
  const zero = nested(
    5,
    integer(1, 1),
    integer(2, double),
    text(8, 'none'),
    nested(9, Buffer.alloc(8)),
  );
  const graph = nested(
    7,
    ...columns.flatMap(shareOf),
    operation('Sum', ['bias', ...columns.map((_, i) => `share${i}`)], 'sum'),
    operation('Sigmoid', ['sum'], 'prediction'),
    text(2, 'columns'),
    zero,
    tensor('bias', [1, 1], [bias]),
    ...columns.flatMap((column, i) =>
      'weight' in column ? [tensor(`weight${i}`, [1, 1], [column.weight])] : [],
    ),
    ...columns.map(columnInput),
    value(12, 'prediction', 1),
  );
  const opset = nested(8, text(1, ''), integer(2, 17));
  const learning = nested(8, text(1, 'ai.onnx.ml'), integer(2, 3));
  return Buffer.concat([integer(1, 8), graph, opset, learning]);
}

/** What `columnsModel` answers, computed without ONNX Runtime, in 64 bits. */
export function columnsPrediction(
  columns: readonly GraphColumn[],
  bias: number,
  row: Readonly<Record<string, string | number | null>>,
): number {
  const sum = columns.reduce((total, column) => {
    const value = row[column.name] ?? null;
    if ('points' in column) {
      // A value may be called as a property that every object has: toString, constructor.
      const points = new Map(Object.entries(column.points));
      return total + (points.get(String(value ?? '')) ?? column.others);
    }
    return total + (value === null ? 0 : Number(value) * column.weight);
  }, bias);
  return 1 / (1 + Math.exp(-sum));
}

/** A tree of one split: a row whose feature is below, or missing where that goes left, gets `left`. */
export interface Stump {
  readonly feature: number;
  readonly below: number;
  readonly missingLeft: boolean;
  readonly left: number;
  readonly right: number;
}

/** prediction = the sum of what the trees give, as a complete ONNX file. */
export function stumpsModel(width: number, stumps: readonly Stump[]): Buffer {
  const of = (attribute: (stump: Stump, tree: number) => readonly number[]) =>
    stumps.flatMap((stump, tree) => attribute(stump, tree));
  const isIntegers = integer(20, 7);
  const integers = (name: string, ...attribute: Parameters<typeof of>) =>
    named(name, ...of(...attribute).map((each) => integer(8, each)), isIntegers);
  const floats = (name: string, ...attribute: Parameters<typeof of>) =>
    named(name, ...of(...attribute).map((each) => float32(7, each)), isFloats ?? Buffer.of());
  const modes = stumps.flatMap(() => ['BRANCH_LT', 'LEAF', 'LEAF'].map((mode) => text(9, mode)));
  const trees = operation(
    'TreeEnsembleRegressor',
    ['features'],
    'prediction',
    domain,
    named('n_targets', integer(3, 1), isInteger ?? Buffer.of()),
    integers('nodes_treeids', (_, tree) => [tree, tree, tree]),
    integers('nodes_nodeids', () => [0, 1, 2]),
    integers('nodes_featureids', ({ feature }) => [feature, 0, 0]),
    floats('nodes_values', ({ below }) => [below, 0, 0]),
    named('nodes_modes', ...modes, isStrings ?? Buffer.of()),
    integers('nodes_truenodeids', () => [1, 0, 0]),
    integers('nodes_falsenodeids', () => [2, 0, 0]),
    integers('nodes_missing_value_tracks_true', ({ missingLeft }) => [Number(missingLeft), 0, 0]),
    integers('target_treeids', (_, tree) => [tree, tree]),
    integers('target_nodeids', () => [1, 2]),
    integers('target_ids', () => [0, 0]),
    floats('target_weights', ({ left, right }) => [left, right]),
  );
  const graph = nested(
    7,
    trees,
    text(2, 'stumps'),
    value(11, 'features', width),
    value(12, 'prediction', 1),
  );
  const opsets = [nested(8, text(1, ''), integer(2, 17))];
  opsets.push(nested(8, text(1, 'ai.onnx.ml'), integer(2, 3)));
  return Buffer.concat([integer(1, 8), graph, ...opsets]);
}

/** What `stumpsModel` answers, added up in 32 bits in the trees' order. */
export function stumpsPrediction(stumps: readonly Stump[], features: readonly number[]): number {
  return stumps.reduce((sum, { feature, below, left, missingLeft, right }) => {
    const found = features[feature] ?? Number.NaN;
    const goesLeft = Number.isNaN(found) ? missingLeft : found < Math.fround(below);
    return Math.fround(sum + Math.fround(goesLeft ? left : right));
  }, 0);
}
