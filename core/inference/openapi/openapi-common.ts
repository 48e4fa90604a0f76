// What is the same for every model of an OpenAPI document.
import type { JsonSchema } from './openapi-columns.ts';

export const reference = (name: string): JsonSchema => ({ $ref: `#/components/schemas/${name}` });
export const json = (schema: JsonSchema, examples?: object) => ({
  'application/json': { schema, ...(examples && { examples }) },
});
export const text = { type: 'string' };
export const textList = { type: 'array', items: text };
export const object = (
  properties: object,
  required: readonly string[] = Object.keys(properties),
) => ({
  ...{ type: 'object', properties, required: [...required] },
});

const failures: Readonly<Record<string, string>> = {
  400: 'The request is wrong; the text names place, value and fix',
  401: 'No valid credentials',
  403: 'The credentials do not allow this',
  404: 'No such model or version, none is live, or it is retired',
  413: 'The body is too large, also once it is uncompressed',
  415: 'The Content-Encoding is not understood',
  429: 'Too many requests; again, later',
  500: 'The platform failed; the text names the request in its log',
  502: "The model's container gave no prediction",
  503: 'Nothing can answer at the moment; again, after Retry-After',
  504: 'No answer came in time; again, after Retry-After',
};
const ofBodies = new Set(['413', '415']);
const ofContainers = new Set(['502']);

/** Replies that are errors, as a route may have them. */
export function errorResponses({ takesBody, runtime }: { takesBody: boolean; runtime?: string }) {
  const isLeftOut = (status: string) =>
    (ofBodies.has(status) && !takesBody) || (ofContainers.has(status) && runtime !== 'container');
  return Object.fromEntries(
    Object.keys(failures)
      .filter((status) => !isLeftOut(status))
      .map((status) => [status, { $ref: `#/components/responses/Error${status}` }]),
  );
}

export const errorComponents = Object.fromEntries(
  Object.entries(failures).map(([status, description]) => [
    `Error${status}`,
    { description, content: json(reference('Error')) },
  ]),
);

export const commonSchemas = {
  Error: { ...object({ error: text }), additionalProperties: false },
  Server: object({ name: text, version: text, extensions: textList }),
  Health: object({ live: { type: 'boolean' }, ready: { type: 'boolean' } }),
  ModelReady: object({ name: text, ready: { type: 'boolean' } }),
  ModelMetadata: object({
    ...{ name: text, versions: textList, platform: text },
    inputs: { type: 'array', items: reference('TensorMetadata') },
    outputs: { type: 'array', items: reference('TensorMetadata') },
  }),
  TensorMetadata: object({
    ...{ name: text, datatype: text },
    shape: { type: 'array', items: { type: 'integer' } },
  }),
  OutputTensor: object(
    {
      ...{ name: text, datatype: text, parameters: { type: 'object' } },
      shape: { type: 'array', items: { type: 'integer' } },
      data: { type: 'array' },
    },
    ['name', 'datatype', 'shape'],
  ),
  InferReply: object(
    {
      ...{ model_name: text, model_version: text, id: text },
      outputs: { type: 'array', items: reference('OutputTensor') },
    },
    ['model_name', 'model_version', 'outputs'],
  ),
};
