// The bodies of a model's V2 route as JSON Schema.
import { type ExampleValue, exampleInstance } from '../example-instance.ts';
import { maximumInstances } from '../instances.ts';
import { datatypes, isNumberDatatype } from '../protocols/tensor.ts';
import { matrixName } from '../protocols/tensor-rows.ts';
import { columnDatatypes } from '../protocols/tensor-values.ts';
import { outputNames } from '../protocols/v2-metadata.ts';
import type { Signature, SignatureColumn } from '../signature.ts';
import { type JsonSchema, nullable } from './openapi-columns.ts';

type TensorModel = Pick<Signature, 'model' | 'inputs' | 'passthrough'>;

const text = { type: 'string' };
const parameters = { type: ['object', 'null'] };
const numberDatatypes = datatypes.filter(isNumberDatatype);
const isNumber = ({ type }: SignatureColumn): boolean => type === 'number' || type === 'integer';

const rows = { type: 'integer', minimum: 1, maximum: maximumInstances };

interface TensorForm {
  readonly name: string;
  readonly datatypes: readonly string[];
  readonly shapes: readonly JsonSchema[];
  readonly data: JsonSchema;
}

/** A tensor has its values, or says how many bytes they are behind the JSON. */
const tensor = ({ name, datatypes: taken, shapes, data }: TensorForm): JsonSchema => ({
  type: 'object',
  properties: {
    name: { const: name },
    datatype: { enum: taken },
    shape: { anyOf: shapes },
    parameters,
    data,
  },
  required: ['name', 'datatype', 'shape'],
  additionalProperties: false,
});

const shapeOf = (...lengths: readonly JsonSchema[]): JsonSchema => ({
  ...{ type: 'array', prefixItems: lengths },
  ...{ minItems: lengths.length, maxItems: lengths.length },
});

function columnTensor(column: SignatureColumn): JsonSchema {
  const value = nullable(column);
  const wrapped = { type: 'array', items: value, minItems: 1, maxItems: 1 };
  return tensor({
    name: column.name,
    datatypes: isNumber(column) ? numberDatatypes : [columnDatatypes[column.type]],
    shapes: [shapeOf(rows), shapeOf(rows, { const: 1 })],
    data: { type: 'array', items: { anyOf: [value, wrapped] } },
  });
}

function matrixTensor(inputs: readonly SignatureColumn[]): JsonSchema {
  const value = { type: ['number', 'null'] };
  const row = { type: 'array', items: value, minItems: inputs.length, maxItems: inputs.length };
  return tensor({
    name: matrixName,
    datatypes: numberDatatypes,
    shapes: [shapeOf(rows, { const: inputs.length })],
    data: { type: 'array', items: { anyOf: [value, row] } },
  });
}

/** Whether all columns may come as one tensor. */
const hasMatrix = ({ inputs, passthrough }: TensorModel): boolean =>
  inputs.every(isNumber) && ![...inputs, ...passthrough].some(({ name }) => name === matrixName);

function requestSchema(model: TensorModel): JsonSchema {
  const { inputs, passthrough } = model;
  const columns = [...inputs, ...passthrough.map((column) => ({ ...column, nullable: true }))];
  const tensors = [
    ...columns.map(columnTensor),
    ...(hasMatrix(model) ? [matrixTensor(inputs)] : []),
  ];
  const output = {
    type: 'object',
    properties: { name: { enum: outputNames }, parameters },
    required: ['name'],
    additionalProperties: false,
  };
  return {
    type: 'object',
    properties: {
      ...{ id: text, model_name: text, model_version: text, parameters },
      inputs: { type: 'array', minItems: 1, items: { anyOf: tensors } },
      outputs: { type: 'array', items: output },
    },
    required: ['inputs'],
    additionalProperties: false,
  };
}

function examplesOf(model: TensorModel, now: Date) {
  const instance: Record<string, ExampleValue> = exampleInstance(model, now);
  const columns = model.inputs.map(({ name, type }) => ({
    ...{ name, datatype: columnDatatypes[type], shape: [1] },
    data: [instance[name]],
  }));
  const whole = {
    ...{ name: matrixName, datatype: 'FP64', shape: [1, model.inputs.length] },
    data: [model.inputs.map(({ name }) => instance[name])],
  };
  return {
    columns: { summary: 'A tensor per column', value: { inputs: columns } },
    ...(hasMatrix(model) && {
      matrix: { summary: 'All columns as one tensor', value: { inputs: [whole] } },
    }),
  };
}

/** The request of a model's `infer`, and examples of it. */
export const inferSchemas = (model: TensorModel, now: Date) => ({
  schemas: { [`${model.model}.InferRequest`]: requestSchema(model) },
  examples: examplesOf(model, now),
});
