// What a request costs beside the model: everything from the body's bytes to the reply's, with a session that
// computes nothing. Beside it the least that any server must do: JSON.parse, a Float32Array, JSON.stringify.
// node test/bench/request-path.ts [--seconds 0.5] [--only 'V2 binary'] [--rows 1,64]
import { parseArgs } from 'node:util';
import type { FeatureSpec } from '../../core/features/feature-spec.ts';
import {
  type EndpointRequest,
  inferenceEndpoint,
  type ServedModel,
} from '../../core/inference/endpoint.ts';
import { instancesParser } from '../../core/inference/parse-instances.ts';
import type { Prediction } from '../../core/inference/predict.ts';
import type { Signature } from '../../core/inference/signature.ts';
import type { LoadedVersion } from '../../core/inference/versions/loaded-version.ts';

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '0.5' },
    only: { type: 'string', default: '' },
    rows: { type: 'string', default: '1,64' },
  },
});
const seconds = Number(values.seconds);
const width = 20;
const model = 'numbers';
const names = Array.from({ length: width }, (_, i) => `x${i}`);

const signature: Signature = {
  model,
  task: 'binary_classification',
  inputs: names.map((name) => ({ name, type: 'number', nullable: false, sensitive: false })),
  passthrough: [],
  runtime: 'onnx',
  tensor: { input: 'features', output: 'prediction', datatype: 'FP32', width },
};
const spec: FeatureSpec = {
  model,
  specHash: 'bench',
  input: 'features',
  features: names.map((name) => ({
    ...{ name, column: name, transform: 'numeric', columnType: 'number', kind: 'numeric' },
  })),
};
const version: LoadedVersion = {
  model,
  version: 1,
  identity: { modelSha256: '00', featuresSha256: '00' },
  signature,
  spec,
  parse: instancesParser(signature),
  session: {
    run: async ({ rows }) => ({ predictions: new Float32Array(rows).fill(0.123456) }),
    release: async () => undefined,
  },
};

/** What is done with an answered request. */
let answered: (prediction: Prediction) => void = () => undefined;
const served: ServedModel = {
  name: model,
  versions: { use: (call) => call(version, 'live') },
  answered: (prediction) => answered(prediction),
};
const endpoint = inferenceEndpoint(new Map([[model, served]]));

/** As bytes: so Firehose would get them. */
const asLines = (prediction: Prediction): void => {
  for (const line of prediction.lines()) Buffer.from(line);
};
const asRecords = (prediction: Prediction): void => {
  for (const record of prediction.records()) Buffer.from(JSON.stringify(record));
};

function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

function numbersOf(rows: number): Float32Array {
  const next = random(7);
  return Float32Array.from({ length: rows * width }, () => next() * 2 - 1);
}

const infer = `/v2/models/${model}/infer`;
const request = (path: string, body: Buffer, headers = {}): EndpointRequest => ({
  ...{ method: 'POST', path, headers, body },
  requestId: 'request-1',
});
const tensor = (name: string, shape: number[], rest: object) => ({
  ...{ name, shape, datatype: 'FP32' },
  ...rest,
});

function binary(rows: number): EndpointRequest {
  const raw = Buffer.from(numbersOf(rows).buffer);
  const parameters = { binary_data_size: raw.length };
  const input = tensor('instances', [rows, width], { parameters });
  const json = Buffer.from(
    JSON.stringify({ inputs: [input], parameters: { binary_data_output: true } }),
  );
  const headers = { 'inference-header-content-length': String(json.length) };
  return request(infer, Buffer.concat([json, raw]), headers);
}

const jsonMatrix = (rows: number) =>
  Buffer.from(
    JSON.stringify({
      inputs: [tensor('instances', [rows, width], { data: [...numbersOf(rows)] })],
    }),
  );

function columns(rows: number): EndpointRequest {
  const matrix = numbersOf(rows);
  const inputs = names.map((name, column) =>
    tensor(name, [rows], {
      data: Array.from({ length: rows }, (_, row) => matrix[row * width + column]),
    }),
  );
  return request(infer, Buffer.from(JSON.stringify({ inputs })));
}

function instances(rows: number): EndpointRequest {
  const matrix = numbersOf(rows);
  const list = Array.from({ length: rows }, (_, row) =>
    Object.fromEntries(names.map((name, column) => [name, matrix[row * width + column]])),
  );
  return request(`/v1/models/${model}:predict`, Buffer.from(JSON.stringify({ instances: list })));
}

/** The least: what it would cost to believe everything. */
function least(rows: number): () => Promise<unknown> {
  const body = jsonMatrix(rows);
  return async () => {
    const { inputs } = JSON.parse(body.toString());
    const features = Float32Array.from(inputs[0].data as number[]);
    const { predictions } = await version.session.run({ kind: 'features', rows, features });
    const outputs = [
      { name: 'prediction', datatype: 'FP32', shape: [rows], data: [...predictions] },
    ];
    return JSON.stringify({ model_name: model, outputs });
  };
}

const cases = (rows: number): Record<string, () => Promise<unknown>> => {
  const through =
    (asked: EndpointRequest, log: typeof answered = () => undefined) =>
    async () => {
      answered = log;
      const { status, body } = await endpoint(asked);
      if (status !== 200) throw new Error(Buffer.from(body).toString());
    };
  return {
    'least (no check, no id)': least(rows),
    'V2 JSON, one tensor': through(request(infer, jsonMatrix(rows))),
    'V2 JSON, one tensor, and its log lines': through(request(infer, jsonMatrix(rows)), asLines),
    'V2 JSON, one tensor, and its records as JSON': through(
      request(infer, jsonMatrix(rows)),
      asRecords,
    ),
    'V2 binary, one tensor': through(binary(rows)),
    'V2 JSON, a tensor a column': through(columns(rows)),
    'V1 instances': through(instances(rows)),
  };
};

/** Of this process's CPU time, which others on the machine disturb less than the clock. */
async function microsecondsOf(run: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  let runs = 0;
  let used = 0;
  while (used < seconds * 1e6) {
    for (let i = 0; i < 200; i += 1) await run();
    runs += 200;
    const { user, system } = process.cpuUsage(before);
    used = user + system;
  }
  return used / runs;
}

const median = (sorted: readonly number[]): number => sorted[sorted.length >> 1] ?? Number.NaN;

for (const rows of values.rows.split(',').map(Number)) {
  const runs = Object.fromEntries(
    Object.entries(cases(rows)).filter(([name]) => name.startsWith(values.only)),
  );
  const times = new Map<string, number[]>(Object.keys(runs).map((name) => [name, []]));
  // Interleaved, so that a slow moment of the machine meets all of them; the first round warms up.
  for (let round = 0; round < 6; round += 1) {
    for (const [name, run] of Object.entries(runs)) {
      const microseconds = await microsecondsOf(run);
      if (round > 0) times.get(name)?.push(microseconds);
    }
  }
  console.log(`\n| ${rows} × ${width} numbers | CPU µs a request |\n|---|---|`);
  for (const [name, found] of times) {
    console.log(`| ${name} | ${median(found.sort((a, b) => a - b)).toFixed(2)} |`);
  }
}
