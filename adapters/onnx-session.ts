import { InferenceSession, Tensor } from 'onnxruntime-node';
import type { InputColumn } from '../core/features/feature-spec.ts';
import { type RawValue, timestampMicros } from '../core/features/raw-values.ts';
import { alikeRowsTogether } from '../core/inference/batching/alike-rows.ts';
import type {
  ModelInput,
  ModelSession,
  SessionRequest,
} from '../core/inference/versions/loaded-version.ts';

/** A graph that does not have the form every model of the platform has. */
export class UnfitGraphError extends Error {
  override readonly name = 'UnfitGraphError';
}

// One thread: ONNX Runtime counts the host's cores, not this container's share of them, and its
// threads spin while they wait.
const sessionOptions: InferenceSession.SessionOptions = {
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  executionMode: 'sequential',
  graphOptimizationLevel: 'all',
  logSeverityLevel: 3,
};

const listed = (names: readonly string[]): string => names.join(', ') || 'none';

/** ONNX has no null: text that is missing is empty. */
const asText = (value: RawValue): string => (typeof value === 'string' ? value : '');

/** A raw value as a graph gets it, in 64 bits: NaN = missing, 0 and 1, microseconds since 1970 in UTC. */
const asNumber =
  (type: InputColumn['type']) =>
  (value: RawValue): number => {
    if (value === null) return Number.NaN;
    if (typeof value !== 'string') return Number(value);
    return (type === 'timestamp' ? timestampMicros(value) : undefined) ?? Number.NaN;
  };

function columnTensor({ name, type }: InputColumn, values: readonly RawValue[], rows: number) {
  if (values.length !== rows) {
    throw new RangeError(`the column ${name} has ${values.length} values for ${rows} rows`);
  }
  const shape = [rows, 1];
  if (type === 'string') return new Tensor('string', values.map(asText), shape);
  return new Tensor('float64', Float64Array.from(values, asNumber(type)), shape);
}

type Feeds = Readonly<Record<string, Tensor>>;

/** What a graph is fed with, and which inputs it has for that, by ONNX Runtime's names of their types. */
interface Inputs {
  readonly types: ReadonlyMap<string, string>;
  feeds(input: ModelInput): Feeds;
}

function inputsOf({ columns, features }: SessionRequest['spec']): Inputs {
  const mistaken = (input: ModelInput) =>
    new TypeError(`the model takes ${columns ? 'columns' : 'features'}, not ${input.kind}`);
  if (!columns) {
    return {
      types: new Map([['features', 'float32']]),
      feeds: (input) => {
        if (input.kind !== 'features') throw mistaken(input);
        const shape = [input.rows, features.length];
        return { features: new Tensor('float32', input.features, shape) };
      },
    };
  }
  const typeOf = ({ type }: InputColumn) => (type === 'string' ? 'string' : 'float64');
  return {
    types: new Map(columns.map((column) => [column.name, typeOf(column)])),
    feeds: (input) => {
      if (input.kind !== 'columns') throw mistaken(input);
      const tensors = columns.map((column) => [
        column.name,
        columnTensor(column, input.columns[column.name] ?? [], input.rows),
      ]);
      return Object.fromEntries(tensors);
    },
  };
}

/** Why a graph does not fit what it would be fed with; undefined where it does. */
function unfit({ inputMetadata, inputNames, outputNames }: InferenceSession, { types }: Inputs) {
  const wanted = [...types.keys()];
  if (
    inputNames.length !== types.size ||
    !inputNames.every((name) => types.has(name)) ||
    !outputNames.includes('prediction')
  ) {
    return `this model has the inputs ${listed(wanted)} and the output prediction; its graph has the inputs ${listed(inputNames)} and the outputs ${listed(outputNames)}`;
  }
  const wrong = inputMetadata.find(
    (input) => !input.isTensor || input.type !== types.get(input.name),
  );
  if (!wrong) return undefined;
  const found = wrong.isTensor ? wrong.type : 'no tensor';
  return `the graph's input ${wrong.name} is ${found}, and must be ${types.get(wrong.name)}`;
}

/** From so many rows on, ordering them takes less time than the trees then save. */
const fewestOrderedRows = 128;

/** What rows in another order are good for: a graph of trees. Where else it is said, it only costs time. */
const hasTrees = (onnx: Uint8Array): boolean =>
  Buffer.from(onnx.buffer, onnx.byteOffset, onnx.byteLength).includes('TreeEnsemble');

/**
 * Loads a graph with the input `features`, FP32 [N, width], or one input per raw column, STRING or DOUBLE
 * [N, 1], and the output `prediction`, FP32 [N, 1].
 * @throws UnfitGraphError when it has other inputs or no such output, or is no graph at all.
 */
export async function createOnnxSession({
  onnx,
  spec,
}: Extract<SessionRequest, { runtime: 'onnx' }>): Promise<ModelSession> {
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(onnx, sessionOptions);
  } catch (cause) {
    throw new UnfitGraphError('ONNX Runtime does not load the model; export it again', { cause });
  }
  const inputs = inputsOf(spec);
  const why = unfit(session, inputs);
  if (why !== undefined) {
    await session.release();
    throw new UnfitGraphError(`${why}; export it again`);
  }
  const together = hasTrees(onnx) ? alikeRowsTogether(spec.features.length) : undefined;
  async function run(input: ModelInput): Promise<Float32Array> {
    const { prediction } = await session.run(inputs.feeds(input), ['prediction']);
    if (prediction?.data instanceof Float32Array) return prediction.data;
    throw new UnfitGraphError(`the output 'prediction' is ${prediction?.type}, not float32`);
  }
  return {
    async run(input) {
      const { kind, rows } = input;
      if (!together || kind !== 'features' || rows < fewestOrderedRows) {
        return { predictions: await run(input) };
      }
      const ordered = together(input);
      return { predictions: ordered.restored(await run(ordered.input)) };
    },
    release: () => session.release(),
  };
}
