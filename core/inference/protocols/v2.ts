// The Open Inference Protocol, version 2, in JSON and with binary tensors:
// https://github.com/open-inference/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
import { bodyText } from '../body-text.ts';
import { shownValue } from '../check-value.ts';
import { type EndpointReply, type EndpointRequest, jsonHeaders } from '../http-messages.ts';
import { InvalidRequestError } from '../invalid-request-error.ts';
import {
  isObject,
  type JsonObject,
  parseJsonObject,
  unknownFields,
  writtenKeys,
} from '../parse-json-body.ts';
import type { Prediction } from '../predict.ts';
import type { LoadedVersion } from '../versions/loaded-version.ts';
import type { Asked } from './asked.ts';
import { type Datatype, datatypes, type Tensor, type TensorData, tensorCalled } from './tensor.ts';
import { tensorRows } from './tensor-rows.ts';
import { binaryData, headerLengthName, outputBytes, splitBody, TensorBytes } from './v2-binary.ts';
import { type OutputName, outputNames } from './v2-metadata.ts';

/** Some clients repeat what the path says. */
const named = ['model_name', 'model_version'];
const fields = ['id', 'parameters', 'inputs', 'outputs', ...named];
const example =
  '{"inputs": [{"name": "<column>", "shape": [N], "datatype": "<type>", "data": […]}, …]}';

const refuse = (problem: string): never => {
  throw new InvalidRequestError([problem]);
};

const isShape = (shape: unknown): shape is number[] =>
  Array.isArray(shape) && shape.every((length) => Number.isSafeInteger(length) && length >= 0);

/** An object of the header, or nothing where it is left out. */
function optionalObject(value: unknown, place: string): JsonObject | undefined {
  if (value === undefined || value === null) return undefined;
  return isObject(value)
    ? value
    : refuse(`${place}: send an object, or leave it out (received ${shownValue(value)})`);
}

const tensorFields = ['name', 'shape', 'datatype', 'parameters', 'data'];

function shapeOf(shape: unknown, name: string): number[] {
  if (isShape(shape)) return shape;
  return refuse(
    `${tensorCalled(name)}.shape: send an array of numbers, as in [3] (received ${shownValue(shape)})`,
  );
}

function datatypeOf(datatype: unknown, name: string): Datatype {
  if (datatypes.includes(datatype as Datatype)) return datatype as Datatype;
  return refuse(
    `${tensorCalled(name)}.datatype: send one of ${datatypes.join(', ')} (received ${shownValue(datatype)})`,
  );
}

/** The values of a tensor: in the JSON, or as bytes behind it. */
function dataOf(
  { data, parameters }: JsonObject,
  { name, datatype, bytes }: { name: string; datatype: Datatype; bytes: TensorBytes },
): TensorData {
  if (parameters === undefined && Array.isArray(data)) return { form: 'json', values: data };
  const called = tensorCalled(name);
  const size = optionalObject(parameters, `${called}.parameters`)?.['binary_data_size'];
  if (size === undefined) {
    if (Array.isArray(data)) return { form: 'json', values: data };
    return refuse(`${called}.data: send an array (received ${shownValue(data)})`);
  }
  if (data !== undefined) {
    refuse(`${called}: send either data or the parameter binary_data_size, not both`);
  }
  return binaryData(datatype, bytes.take(size, called), called);
}

function tensorOf(input: unknown, index: number, bytes: TensorBytes): Tensor {
  if (!isObject(input)) {
    return refuse(`inputs[${index}]: send an object (received ${shownValue(input)})`);
  }
  const { name } = input;
  if (typeof name !== 'string') {
    return refuse(`inputs[${index}].name: send a text (received ${shownValue(name)})`);
  }
  const [unknown] = unknownFields(input, tensorFields);
  if (unknown !== undefined) refuse(`${tensorCalled(name)}.${unknown}`);
  const datatype = datatypeOf(input['datatype'], name);
  const shape = shapeOf(input['shape'], name);
  return { name, datatype, shape, data: dataOf(input, { name, datatype, bytes }) };
}

interface Output {
  readonly name: OutputName;
  readonly isBinary: boolean;
}

/** Whether a parameter asks for bytes. */
function asksForBytes(parameters: JsonObject | undefined, name: string, place: string) {
  const value = parameters?.[name];
  if (value === undefined || typeof value === 'boolean') return value;
  return refuse(`${place}.${name}: send true or false (received ${shownValue(value)})`);
}

function outputOf(output: unknown, index: number, isBinary: boolean): Output {
  const place = `outputs[${index}]`;
  const name = isObject(output) ? output['name'] : undefined;
  if (!isObject(output) || !outputNames.includes(name as OutputName)) {
    return refuse(
      `${place}.name: the outputs are ${outputNames.join(' and ')} (received ${shownValue(name)})`,
    );
  }
  const [unknown] = unknownFields(output, ['name', 'parameters']);
  if (unknown !== undefined) refuse(`${place}.${unknown}`);
  const parameters = optionalObject(output['parameters'], `${place}.parameters`);
  const own = asksForBytes(parameters, 'binary_data', `${place}.parameters`);
  return { name: name as OutputName, isBinary: own ?? isBinary };
}

/** The outputs that the reply is to have, all of them where none is named. */
function requestedOutputs({ outputs, parameters }: JsonObject): readonly Output[] {
  const all = optionalObject(parameters, 'parameters');
  const isBinary = asksForBytes(all, 'binary_data_output', 'parameters') ?? false;
  if (outputs !== undefined && outputs !== null && !Array.isArray(outputs)) {
    refuse(`outputs: send an array, or leave it out (received ${shownValue(outputs)})`);
  }
  const named = Array.isArray(outputs) ? outputs : [];
  if (named.length === 0) return outputNames.map((name) => ({ name, isBinary }));
  const found = named.map((output, index) => outputOf(output, index, isBinary));
  if (new Set(found.map(({ name }) => name)).size < found.length) {
    refuse('outputs: names an output twice; send each once');
  }
  return found;
}

/** How many keys the objects within a value have together, however deep it is. */
function keysIn(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  let keys = 0;
  const waiting: unknown[] = [value];
  while (waiting.length > 0) {
    const next = waiting.pop();
    if (typeof next !== 'object' || next === null) continue;
    const parts = Object.values(next);
    if (!Array.isArray(next)) keys += parts.length;
    for (const part of parts) waiting.push(part);
  }
  return keys;
}

/** JSON.parse keeps the last of two equal keys; which one the caller meant is not ours to guess. */
function checkKeysWrittenOnce(text: string, header: JsonObject, inputs: readonly unknown[]): void {
  let keys = Object.keys(header).length;
  // The others are texts. Data has no objects, or would have been refused.
  keys += keysIn(header['parameters']) + keysIn(header['outputs']);
  for (const input of inputs as readonly JsonObject[]) {
    keys += Object.keys(input).length + keysIn(input['parameters']);
  }
  if (writtenKeys(text) !== keys) {
    refuse('the body has an object that names a field twice; send each field once');
  }
}

function dataText(name: OutputName, { predictions, ids }: Prediction): string {
  // Model names, numbers and hex digits: nothing that JSON writes otherwise.
  return name === 'prediction' ? predictions.join(',') : `"${ids.join('","')}"`;
}

function outputText({ name }: Output, rows: number, rest: string): string {
  const datatype = name === 'prediction' ? 'FP32' : 'BYTES';
  return `{"name":"${name}","datatype":"${datatype}","shape":[${rows}],${rest}}`;
}

/** Written as text: JSON.stringify would need an array of numbers first. */
function replyTo(prediction: Prediction, outputs: readonly Output[], id: string | undefined) {
  const { model, version } = prediction.version;
  const rows = prediction.ids.length;
  const parts: Uint8Array[] = [];
  const written = outputs.map((output) => {
    if (!output.isBinary) {
      return outputText(output, rows, `"data":[${dataText(output.name, prediction)}]`);
    }
    const bytes = outputBytes(output.name, prediction);
    parts.push(bytes);
    return outputText(output, rows, `"parameters":{"binary_data_size":${bytes.byteLength}}`);
  });
  const echoed = id === undefined ? '' : `"id":${JSON.stringify(id)},`;
  const json = `{"model_name":"${model}","model_version":"${version}",${echoed}"outputs":[${written.join(',')}]}`;
  return parts.length === 0 ? { json } : { json, parts };
}

function endpointReply({ json, parts }: ReturnType<typeof replyTo>): EndpointReply {
  if (!parts) return { status: 200, headers: jsonHeaders, body: json };
  const header = Buffer.from(json);
  return {
    status: 200,
    headers: {
      'Content-Type': 'application/octet-stream',
      'Inference-Header-Content-Length': String(header.byteLength),
    },
    body: Buffer.concat([header, ...parts]),
  };
}

function textOf(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  return refuse(`${name}: send a text, or leave it out (received ${shownValue(value)})`);
}

function inputsOf(inputs: unknown): readonly unknown[] {
  if (Array.isArray(inputs) && inputs.length > 0) return inputs;
  return refuse(
    `inputs: send at least one tensor, as in ${example} (received ${shownValue(inputs)})`,
  );
}

/** @throws InvalidRequestError */
export function askV2(version: LoadedVersion, { headers, body }: EndpointRequest): Asked {
  const { json, tensors } = splitBody(body, headers[headerLengthName]);
  const text = bodyText(json);
  const header = parseJsonObject(text, example);
  const problems = unknownFields(header, fields);
  if (problems.length > 0) throw new InvalidRequestError(problems);
  const id = textOf(header['id'], 'id');
  for (const name of named) textOf(header[name], name);
  const inputs = inputsOf(header['inputs']);
  const outputs = requestedOutputs(header);
  const bytes = new TensorBytes(tensors);
  const found = inputs.map((input, index) => tensorOf(input, index, bytes));
  bytes.end();
  const instances = tensorRows(version, found);
  checkKeysWrittenOnce(text, header, inputs);
  return { instances, reply: (prediction) => endpointReply(replyTo(prediction, outputs, id)) };
}
