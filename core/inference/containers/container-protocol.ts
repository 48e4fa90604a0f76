// What is sent to a model's container and what comes back: KServe's V1 bodies, or those of the Open Inference
// Protocol (V2), https://kserve.github.io/website/docs/concepts/architecture/data-plane.
import * as z from 'zod';
import type { InputColumn } from '../../features/feature-spec.ts';
import { type RawColumns, type RawValue, timestampMicros } from '../../features/raw-values.ts';
import type { ContainerProtocol } from '../../model/container-protocol.ts';
import type { ModelOutput } from '../versions/loaded-version.ts';
import { ContainerFaultError } from './container-errors.ts';

/** Rows for a container, and how many: a part of a request, or all of it. */
export interface ContainerRows {
  readonly columns: RawColumns;
  readonly first: number;
  readonly rows: number;
}

/** Microseconds since 1970 as ISO 8601 text, UTC. */
function timestampText(micros: number): string {
  const milliseconds = Math.floor(micros / 1_000);
  const fraction = String(micros - milliseconds * 1_000).padStart(3, '0');
  return new Date(milliseconds).toISOString().replace('Z', `${fraction}Z`);
}

/** A value as every container gets it: of a timestamp one form, whatever form the caller sent. */
function sentValue(type: InputColumn['type'], value: RawValue): RawValue {
  if (type !== 'timestamp' || value === null) return value;
  const micros = typeof value === 'number' ? value : timestampMicros(String(value));
  return micros === undefined ? value : timestampText(micros);
}

const valuesOf = (
  { name, type }: InputColumn,
  { columns, first, rows }: ContainerRows,
): RawValue[] =>
  Array.from({ length: rows }, (_, row) => sentValue(type, columns[name]?.[first + row] ?? null));

function v1Body(inputs: readonly InputColumn[], rows: ContainerRows): string {
  const values = inputs.map((input) => [input.name, valuesOf(input, rows)] as const);
  const instances = Array.from({ length: rows.rows }, (_, row) =>
    Object.fromEntries(values.map(([name, column]) => [name, column[row] ?? null])),
  );
  return JSON.stringify({ instances });
}

const datatypes: Readonly<Record<InputColumn['type'], string>> = {
  string: 'BYTES',
  integer: 'INT64',
  number: 'FP64',
  boolean: 'BOOL',
  timestamp: 'BYTES',
};

function v2Body(inputs: readonly InputColumn[], rows: ContainerRows): string {
  const tensors = inputs.map((input) => ({
    name: input.name,
    datatype: datatypes[input.type],
    shape: [rows.rows, 1],
    data: valuesOf(input, rows),
  }));
  return JSON.stringify({ inputs: tensors });
}

/** The body of a request to a container. */
export const containerBody = (
  protocol: ContainerProtocol,
  inputs: readonly InputColumn[],
  rows: ContainerRows,
): string => (protocol === 'v1' ? v1Body(inputs, rows) : v2Body(inputs, rows));

const V1Reply = z.object({ predictions: z.array(z.unknown()) });
const V2Reply = z.object({
  outputs: z.array(
    z.object({
      name: z.string(),
      shape: z.array(z.int().nonnegative()),
      data: z.array(z.unknown()),
    }),
  ),
});

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** One row of a V1 reply: a number, alone or with what else the model says. */
function v1Row(value: unknown, row: number): { prediction: number; details: object | null } {
  // Some servers put each row's number into a list of its own.
  const answer = Array.isArray(value) && value.length === 1 ? value[0] : value;
  const { prediction, ...details } = isObject(answer) ? answer : { prediction: answer };
  if (typeof prediction !== 'number') {
    const form = answer === null ? 'null' : Array.isArray(answer) ? 'a list' : typeof answer;
    throw new ContainerFaultError(
      isObject(answer)
        ? `row ${row} has no number under 'prediction', only ${Object.keys(answer).join(', ') || 'nothing'}; answer {"prediction": 0.3, …}`
        : `row ${row} is ${form}; answer a number, or {"prediction": 0.3, …}`,
    );
  }
  return { prediction, details: Object.keys(details).length > 0 ? details : null };
}

function checkCount(found: number, rows: number): void {
  if (found === rows) return;
  throw new ContainerFaultError(
    `it gave ${found} predictions for ${rows} rows; answer one per row`,
  );
}

function v1Output(document: unknown, rows: number): ModelOutput {
  const reply = V1Reply.safeParse(document);
  if (!reply.success) {
    throw new ContainerFaultError(
      'its reply has no list of predictions; answer {"predictions": […]}',
    );
  }
  checkCount(reply.data.predictions.length, rows);
  const found = reply.data.predictions.map(v1Row);
  const predictions = Float32Array.from(found, ({ prediction }) => prediction);
  if (found.every(({ details }) => details === null)) return { predictions };
  return { predictions, details: found.map(({ details }) => details as Record<string, unknown>) };
}

/** The tensor called `prediction`, or the only one; the others, where they have a value per row, are details. */
function v2Output(document: unknown, rows: number): ModelOutput {
  const reply = V2Reply.safeParse(document);
  if (!reply.success) {
    throw new ContainerFaultError(
      'its reply has no outputs of the Open Inference Protocol; answer {"outputs": [{"name": "prediction", "shape": […], "datatype": "FP32", "data": […]}]}',
    );
  }
  const { outputs } = reply.data;
  const answer =
    outputs.find(({ name }) => name === 'prediction') ??
    (outputs.length === 1 ? outputs[0] : undefined);
  if (!answer) {
    throw new ContainerFaultError(
      `none of its outputs (${outputs.map(({ name }) => name).join(', ') || 'none'}) is called prediction; name one so`,
    );
  }
  checkCount(answer.data.length, rows);
  const at = answer.data.findIndex((value) => typeof value !== 'number');
  if (at !== -1) throw new ContainerFaultError(`row ${at} of ${answer.name} is not a number`);
  const predictions = Float32Array.from(answer.data, Number);
  const beside = outputs.filter((output) => output !== answer && output.data.length === rows);
  if (beside.length === 0) return { predictions };
  const details = Array.from({ length: rows }, (_, row) =>
    Object.assign({}, ...beside.map(({ name, data }) => v2Detail(name, data[row]))),
  );
  return { predictions, details };
}

/** One value of a tensor; of one that is called `details`, the object whose JSON it is. */
function v2Detail(name: string, value: unknown): Record<string, unknown> {
  if (name !== 'details' || typeof value !== 'string') return { [name]: value };
  try {
    const said: unknown = JSON.parse(value);
    return isObject(said) ? said : said === null ? {} : { [name]: said };
  } catch {
    return { [name]: value };
  }
}

/**
 * What a container answered.
 * @throws ContainerFaultError saying what is wrong with it, never a value of a row.
 */
export function containerOutput(
  protocol: ContainerProtocol,
  body: string,
  rows: number,
): ModelOutput {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch (cause) {
    throw new ContainerFaultError(
      'its reply is not JSON; answer with Content-Type application/json',
      {
        cause,
      },
    );
  }
  return protocol === 'v1' ? v1Output(document, rows) : v2Output(document, rows);
}
