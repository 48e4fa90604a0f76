// The OpenAPI document of an environment: every route of both protocols for every model, made of the models' columns.

import { exampleInstance } from '../example-instance.ts';
import { maximumInstances } from '../instances.ts';
import type { Signature } from '../signature.ts';
import { columnSchema, type JsonSchema, nullable } from './openapi-columns.ts';
import {
  commonSchemas,
  errorComponents,
  errorResponses,
  json,
  object,
  reference,
  text,
  textList,
} from './openapi-common.ts';
import { inferSchemas } from './openapi-tensors.ts';

/** What a document says of the environment. */
export interface OpenApiFacts {
  readonly environment: string;
  /** Of the platform. */
  readonly version: string;
  /** The API's address with its stage. */
  readonly url: string;
  readonly auth: 'iam' | 'jwt';
  /** When examples are set. */
  readonly now: Date;
}

/** What it says of a model. */
export type OpenApiModel = Pick<
  Signature,
  'model' | 'inputs' | 'passthrough' | 'entityKey' | 'runtime'
>;

/** The bodies of a model's V1 routes. */
function v1Schemas({ model, inputs, passthrough, entityKey, runtime }: OpenApiModel) {
  const columns = [...inputs, ...passthrough.map((column) => ({ ...column, nullable: true }))];
  const prediction =
    runtime === 'onnx'
      ? { type: 'number' }
      : { anyOf: [{ type: 'number' }, object({ prediction: { type: 'number' } })] };
  const key = columns.find(({ name }) => name === entityKey);
  const label = { type: ['number', 'boolean'] };
  const subjects = [
    object({ prediction_id: text, label }),
    ...(key ? [object({ entity_key: columnSchema({ ...key, nullable: false }), label })] : []),
  ].map((subject) => ({ ...subject, additionalProperties: false }));
  return {
    [`${model}.Instance`]: {
      ...object(
        Object.fromEntries(columns.map((column) => [column.name, nullable(column)])),
        inputs.filter((column) => !column.nullable).map(({ name }) => name),
      ),
      additionalProperties: false,
    },
    [`${model}.PredictRequest`]: {
      ...object(
        {
          instances: {
            ...{ type: 'array', minItems: 1, maxItems: maximumInstances },
            items: reference(`${model}.Instance`),
          },
          signature_name: { const: 'serving_default' },
        },
        ['instances'],
      ),
      additionalProperties: false,
    },
    [`${model}.PredictReply`]: object({
      predictions: { type: 'array', items: prediction },
      prediction_ids: textList,
      ...{ model_name: text, model_version: text },
    }),
    [`${model}.FeedbackRequest`]: {
      ...object({
        labels: { type: 'array', minItems: 1, maxItems: 10_000, items: { anyOf: subjects } },
      }),
      additionalProperties: false,
    },
  };
}

const contentEncoding = {
  ...{ name: 'Content-Encoding', in: 'header', required: false },
  schema: { enum: ['gzip', 'deflate', 'identity'] },
};
const headerLength = {
  ...{ name: 'Inference-Header-Content-Length', in: 'header', required: false },
  description: 'Of a body with binary tensors: how many bytes of it are the JSON in front of them',
  schema: { type: 'integer', minimum: 1 },
};
const versionParameter = {
  ...{ name: 'version', in: 'path', required: true, schema: text },
  description: 'Answered while it is the version that is live',
};

interface Operation {
  readonly id: string;
  readonly summary: string;
  readonly tag: string;
  readonly reply: object;
  readonly request?: object;
  readonly parameters?: readonly object[];
  readonly runtime?: string;
}

function operation({ id, summary, tag, reply, request, parameters = [], runtime }: Operation) {
  const errors = errorResponses({
    takesBody: request !== undefined,
    ...(runtime !== undefined && { runtime }),
  });
  return {
    ...{ operationId: id, summary, tags: [tag] },
    ...(parameters.length > 0 && { parameters }),
    ...(request && { requestBody: { required: true, content: request } }),
    responses: { 200: { description: 'The answer', content: reply }, ...errors },
  };
}

function v1Paths(model: OpenApiModel, now: Date) {
  const { model: tag, runtime } = model;
  const example = { instances: [exampleInstance(model, now)] };
  const labelled = { labels: [{ prediction_id: `${tag}-v1-${'0'.repeat(32)}-0`, label: 1 }] };
  return {
    [`/v1/models/${tag}:predict`]: {
      post: operation({
        ...{ id: `${tag}.predict`, tag, runtime, summary: 'Predicts rows of named columns' },
        parameters: [contentEncoding],
        request: json(reference(`${tag}.PredictRequest`), { rows: { value: example } }),
        reply: json(reference(`${tag}.PredictReply`)),
      }),
    },
    [`/v1/models/${tag}:feedback`]: {
      post: operation({
        ...{ id: `${tag}.feedback`, tag, summary: 'Takes what predictions turned out to be' },
        request: json(reference(`${tag}.FeedbackRequest`), { labels: { value: labelled } }),
        reply: json(object({ accepted: { type: 'integer' } })),
      }),
    },
    [`/v1/models/${tag}`]: {
      get: operation({
        ...{ id: `${tag}.state`, tag, summary: 'Whether it answers, and with which version' },
        reply: json(
          object({ name: text, ready: { type: 'boolean' }, model_version: text }, [
            'name',
            'ready',
          ]),
        ),
      }),
    },
  };
}

/** Of the version that is live, or of one that the path names. */
function v2Paths(model: OpenApiModel, { now, isNamed }: { now: Date; isNamed: boolean }) {
  const { model: tag, runtime } = model;
  const path = `/v2/models/${tag}${isNamed ? '/versions/{version}' : ''}`;
  const suffix = isNamed ? 'Version' : '';
  const parameters = isNamed ? [versionParameter] : [];
  const { examples } = inferSchemas(model, now);
  const bytes = { 'application/octet-stream': { schema: {} } };
  return {
    [path]: {
      get: operation({
        ...{ id: `${tag}.metadata${suffix}`, tag, parameters, summary: 'What it takes and gives' },
        reply: json(reference('ModelMetadata')),
      }),
    },
    [`${path}/ready`]: {
      get: operation({
        ...{ id: `${tag}.ready${suffix}`, tag, parameters, summary: 'Whether it answers' },
        reply: json(reference('ModelReady')),
      }),
    },
    [`${path}/infer`]: {
      post: operation({
        ...{ id: `${tag}.infer${suffix}`, tag, runtime, summary: 'Predicts rows of tensors' },
        parameters: [...parameters, contentEncoding, headerLength],
        request: { ...json(reference(`${tag}.InferRequest`), examples), ...bytes },
        reply: { ...json(reference('InferReply')), ...bytes },
      }),
    },
  };
}

const serverPaths = {
  '/v2': {
    get: operation({
      ...{ id: 'server', tag: 'server', summary: 'Which server it is' },
      reply: json(reference('Server')),
    }),
  },
  ...Object.fromEntries(
    ['live', 'ready'].map((state) => [
      `/v2/health/${state}`,
      {
        get: operation({
          ...{ id: `health.${state}`, tag: 'server', summary: `Whether the server is ${state}` },
          reply: json(reference('Health')),
        }),
      },
    ]),
  ),
};

const securitySchemes = {
  jwt: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
  iam: {
    ...{ type: 'apiKey', in: 'header', name: 'Authorization' },
    description: 'AWS Signature Version 4, service execute-api',
  },
} as const;

/** The OpenAPI 3.1 document of these models; a client can be made of it. */
export function openApiDocument(facts: OpenApiFacts, models: readonly OpenApiModel[]) {
  const { auth, environment, now, url, version } = facts;
  return {
    openapi: '3.1.0',
    info: {
      ...{ title: `Slipway, ${environment}`, version },
      description: `The models of the environment ${environment}, by KServe's V1 protocol and the Open Inference Protocol (V2).`,
    },
    servers: [{ url }],
    security: [{ [auth]: [] }],
    paths: Object.assign(
      {},
      serverPaths,
      ...models.flatMap((model) => [
        v1Paths(model, now),
        v2Paths(model, { now, isNamed: false }),
        v2Paths(model, { now, isNamed: true }),
      ]),
    ) as Record<string, object>,
    components: {
      securitySchemes: { [auth]: securitySchemes[auth] },
      responses: errorComponents,
      schemas: Object.assign(
        {},
        commonSchemas,
        ...models.flatMap((model) => [v1Schemas(model), inferSchemas(model, now).schemas]),
      ) as Record<string, JsonSchema>,
    },
  };
}
