// The same rows in each server's own words.
import { writeFileSync } from 'node:fs';

export type Row = readonly number[];

/** How a server is asked and how its answer is read. */
export interface Form {
  readonly path: string;
  readonly contentType: string;
  body(rows: readonly Row[]): Buffer;
  /** Of a binary body: how long its JSON is. */
  jsonLength?(rows: readonly Row[]): number;
  /** One number per row. */
  answers(body: Buffer, headers: Headers): number[];
}

const json = 'application/json';
const text = (value: unknown): Buffer => Buffer.from(JSON.stringify(value));

interface InferReply {
  readonly outputs: readonly {
    readonly name: string;
    readonly data?: readonly number[];
    readonly parameters?: { readonly binary_data_size?: number };
  }[];
}

const shapeOf = (rows: readonly Row[]): number[] => [rows.length, rows[0]?.length ?? 0];

function predictionOf(body: string): readonly number[] {
  const { outputs }: InferReply = JSON.parse(body);
  return outputs.find(({ name }) => name === 'prediction')?.data ?? [];
}

/** Open Inference Protocol V2 in JSON: one flat FP32 tensor of all rows. */
export const inferJson = (path: string, input: string): Form => ({
  path,
  contentType: json,
  body: (rows) =>
    text({
      inputs: [{ name: input, shape: shapeOf(rows), datatype: 'FP32', data: rows.flat() }],
    }),
  answers: (body) => [...predictionOf(body.toString())],
});

const binaryHeader = (rows: readonly Row[], input: string): Buffer =>
  text({
    inputs: [
      {
        name: input,
        shape: shapeOf(rows),
        datatype: 'FP32',
        parameters: { binary_data_size: rows.flat().length * 4 },
      },
    ],
    parameters: { binary_data_output: true },
  });

/** Where the bytes of an output begin: outputs follow the JSON in its order. */
function binaryAnswers(body: Buffer, headers: Headers): number[] {
  const jsonLength = Number(headers.get('inference-header-content-length'));
  const { outputs }: InferReply = JSON.parse(body.subarray(0, jsonLength).toString());
  let offset = jsonLength;
  for (const { name, parameters } of outputs) {
    const size = parameters?.binary_data_size ?? 0;
    if (name !== 'prediction') offset += size;
    else return Array.from({ length: size / 4 }, (_, i) => body.readFloatLE(offset + i * 4));
  }
  return [];
}

/** The same with the protocol's binary extension, in both directions. */
export const inferBinary = (path: string, input: string): Form => ({
  path,
  contentType: 'application/octet-stream',
  body: (rows) =>
    Buffer.concat([binaryHeader(rows, input), Buffer.from(Float32Array.from(rows.flat()).buffer)]),
  jsonLength: (rows) => binaryHeader(rows, input).length,
  answers: binaryAnswers,
});

/** KServe V1: an object of named fields per row, as signatures of `servedVersion` have them. */
export const namedInstances = (path: string): Form => ({
  path,
  contentType: json,
  body: (rows) =>
    text({
      instances: rows.map((row) => Object.fromEntries(row.map((value, i) => [`x${i}`, value]))),
    }),
  answers: (body) => JSON.parse(body.toString()).predictions,
});

/** BentoML: an argument by its name; the reply is the array. */
export const bentoJson = (path: string): Form => ({
  path,
  contentType: json,
  body: (rows) => text({ features: rows }),
  answers: (body) => JSON.parse(body.toString()).flat(),
});

/** MLflow's scoring protocol with a tensor. */
export const invocations = (path: string): Form => ({
  path,
  contentType: json,
  body: (rows) => text({ inputs: rows }),
  answers: (body) => JSON.parse(body.toString()).predictions.prediction.flat(),
});

/** The parts of the rows that one request each asks about, in turn. */
export function parts(rows: readonly Row[], rowsPerRequest: number): Row[][] {
  const count = Math.floor(rows.length / rowsPerRequest);
  return Array.from({ length: count }, (_, i) =>
    rows.slice(i * rowsPerRequest, (i + 1) * rowsPerRequest),
  );
}

/** Bodies as load.lua reads them: each after its length. */
export function writeBodies(file: string, bodies: readonly Buffer[]): void {
  writeFileSync(
    file,
    Buffer.concat(bodies.flatMap((body) => [Buffer.from(`${body.length}\n`), body])),
  );
}
