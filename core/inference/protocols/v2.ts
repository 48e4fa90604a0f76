// The Open Inference Protocol, version 2, in JSON:
// https://github.com/open-inference/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
import { bodyText } from '../body-text.ts';
import { shownValue } from '../check-value.ts';
import { type EndpointReply, type EndpointRequest, jsonHeaders } from '../http-messages.ts';
import { InvalidRequestError } from '../invalid-request-error.ts';
import type { LoadedVersion } from '../loaded-version.ts';
import {
  isObject,
  type JsonObject,
  parseJsonObject,
  unknownFields,
  writtenKeys,
} from '../parse-json-body.ts';
import type { Prediction } from '../predict.ts';
import type { Asked } from './asked.ts';
import { type Datatype, datatypes, type Tensor, tensorCalled } from './tensor.ts';
import { tensorRows } from './tensor-rows.ts';
import { type OutputName, outputNames } from './v2-metadata.ts';

const fields = ['id', 'parameters', 'inputs', 'outputs', 'model_name', 'model_version'];
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

function shapeOf(shape: unknown, called: string): number[] {
  if (isShape(shape)) return shape;
  return refuse(
    `${called}.shape: send an array of numbers, as in [3] (received ${shownValue(shape)})`,
  );
}

function datatypeOf(datatype: unknown, called: string): Datatype {
  if (datatypes.includes(datatype as Datatype)) return datatype as Datatype;
  return refuse(
    `${called}.datatype: send one of ${datatypes.join(', ')} (received ${shownValue(datatype)})`,
  );
}

function tensorOf(input: unknown, index: number): Tensor {
  const place = `inputs[${index}]`;
  if (!isObject(input)) return refuse(`${place}: send an object (received ${shownValue(input)})`);
  const { name, data } = input;
  if (typeof name !== 'string') {
    return refuse(`${place}.name: send a text (received ${shownValue(name)})`);
  }
  const called = tensorCalled(name);
  const [unknown] = unknownFields(input, tensorFields);
  if (unknown !== undefined) refuse(`${called}.${unknown}`);
  const datatype = datatypeOf(input['datatype'], called);
  const shape = shapeOf(input['shape'], called);
  optionalObject(input['parameters'], `${called}.parameters`);
  if (!Array.isArray(data)) {
    return refuse(`${called}.data: send an array (received ${shownValue(data)})`);
  }
  return { name, datatype, shape, data: { form: 'json', values: data } };
}

/** The outputs that the reply is to have, all of them where none is named. */
function requestedOutputs(value: unknown): readonly OutputName[] {
  if (value === undefined || value === null) return outputNames;
  if (!Array.isArray(value)) {
    return refuse(`outputs: send an array, or leave it out (received ${shownValue(value)})`);
  }
  const names = value.map((output, index) => {
    const name = isObject(output) ? output['name'] : undefined;
    if (outputNames.includes(name as OutputName)) return name as OutputName;
    return refuse(
      `outputs[${index}].name: the outputs are ${outputNames.join(' and ')} (received ${shownValue(name)})`,
    );
  });
  return names.length > 0 ? [...new Set(names)] : outputNames;
}

/** How many keys the objects within a value have together, however deep it is. */
function keysIn(value: unknown): number {
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

function checkKeysWrittenOnce(text: string, header: JsonObject, inputs: readonly unknown[]): void {
  const { inputs: _, ...others } = header;
  // Data has no objects, or would have been refused, and may be long.
  const tensors = inputs.map((input) => ({ ...(input as JsonObject), data: null }));
  if (writtenKeys(text) === 1 + keysIn(others) + keysIn(tensors)) return;
  refuse('the body has an object that names a field twice; send each field once');
}

function outputText(name: OutputName, { predictions, ids }: Prediction): string {
  const [datatype, data] =
    name === 'prediction'
      ? ['FP32', predictions.join(',')]
      : // Model names, numbers and hex digits: nothing that JSON writes otherwise.
        ['BYTES', `"${ids.join('","')}"`];
  return `{"name":"${name}","datatype":"${datatype}","shape":[${ids.length}],"data":[${data}]}`;
}

/** Written as text: JSON.stringify would need an array of numbers first. */
function replyText(prediction: Prediction, outputs: readonly OutputName[], id: string | undefined) {
  const { model, version } = prediction.version;
  const echoed = id === undefined ? '' : `"id":${JSON.stringify(id)},`;
  const written = outputs.map((name) => outputText(name, prediction)).join(',');
  return `{"model_name":"${model}","model_version":"${version}",${echoed}"outputs":[${written}]}`;
}

function idOf(id: unknown): string | undefined {
  if (id === undefined || id === null || typeof id === 'string') return id ?? undefined;
  return refuse(`id: send a text, or leave it out (received ${shownValue(id)})`);
}

function inputsOf(inputs: unknown): readonly unknown[] {
  if (Array.isArray(inputs) && inputs.length > 0) return inputs;
  return refuse(
    `inputs: send at least one tensor, as in ${example} (received ${shownValue(inputs)})`,
  );
}

/** @throws InvalidRequestError */
export function askV2(version: LoadedVersion, { body }: EndpointRequest): Asked {
  const text = bodyText(body);
  const header = parseJsonObject(text, example);
  const problems = unknownFields(header, fields);
  if (problems.length > 0) throw new InvalidRequestError(problems);
  const id = idOf(header['id']);
  optionalObject(header['parameters'], 'parameters');
  const inputs = inputsOf(header['inputs']);
  const outputs = requestedOutputs(header['outputs']);
  const instances = tensorRows(version, inputs.map(tensorOf));
  checkKeysWrittenOnce(text, header, inputs);
  return {
    instances,
    reply: (prediction): EndpointReply => ({
      status: 200,
      headers: jsonHeaders,
      body: replyText(prediction, outputs, id),
    }),
  };
}
