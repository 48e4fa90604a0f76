import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { describe, expect, test } from 'vitest';
import { valueCheck } from '../../core/inference/check-value.ts';
import { allowedValue } from '../../core/inference/example-instance.ts';
import { type OpenApiModel, openApiDocument } from '../../core/inference/openapi/openapi.ts';
import { routeOf } from '../../core/inference/routes.ts';
import type { SignatureColumn } from '../../core/inference/signature.ts';
import { columnsSignature, columnsVersion } from '../builders/columns-version.ts';
import { modelVersion, signature } from '../builders/model-version.ts';
import { askJson, endpointOf, jsonRequest, servedModel } from '../builders/served-model.ts';

const now = new Date('2026-06-01T12:00:00Z');
const facts = {
  ...{ environment: 'test', version: '1.2.3', url: 'https://example.com/live' },
  ...({ auth: 'jwt', now } as const),
};
const container: OpenApiModel = { ...columnsSignature('answers'), runtime: 'container' };
const models = [signature('parcel-weight'), columnsSignature('parcel-notes'), container];
// Keys and values as a client of the document reads them.
const document = JSON.parse(JSON.stringify(openApiDocument(facts, models)));

const ajv = new Ajv2020({ strict: false });
ajv.addSchema(document, 'openapi');
/** Whether the document's schema of this name allows a body. */
function allows(schema: string, body: unknown): boolean {
  const validate = ajv.getSchema(`openapi#/components/schemas/${schema}`);
  if (!validate) throw new Error(`there is no schema ${schema}`);
  return validate(body) as boolean;
}

interface Operation {
  readonly operationId: string;
  readonly requestBody?: {
    readonly content: Record<
      string,
      {
        readonly schema: { readonly $ref?: string };
        readonly examples?: Record<string, { readonly value: unknown }>;
      }
    >;
  };
  readonly responses: Record<string, unknown>;
}
const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods as Record<string, Operation>).map(
    ([method, operation]) => [method, path, operation] as const,
  ),
);

describe('the OpenAPI document', () => {
  test('is one of version 3.1', async () => {
    const { errors, valid } = await new Validator().validate(structuredClone(document));
    expect(errors).toBeUndefined();
    expect(valid).toBe(true);
    expect(document.openapi).toBe('3.1.0');
  });

  test('names each operation once, and only routes that there are', () => {
    const ids = operations.map(([, , { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(ids.length);
    const others = operations.filter(([, path]) => !path.endsWith(':feedback'));
    for (const [method, path] of others) {
      expect(routeOf(path.replace('{version}', '1'))?.method).toBe(method.toUpperCase());
    }
    expect(operations).toHaveLength(3 + models.length * 9);
  });

  test.each(['iam', 'jwt'] as const)('says how to come in by %s', (auth) => {
    const { components, security } = openApiDocument({ ...facts, auth }, models);
    expect(Object.keys(components.securitySchemes)).toEqual([auth]);
    expect(security).toEqual([{ [auth]: [] }]);
  });

  test('has examples that its schemas allow', () => {
    const contents = operations.flatMap(
      ([, , { requestBody }]) => requestBody?.content['application/json'] ?? [],
    );
    const examples = contents.flatMap(({ schema, examples: all }) =>
      Object.values(all ?? {}).map(
        ({ value }) => [schema.$ref?.split('/').at(-1) ?? '', value] as const,
      ),
    );
    // V1, feedback, and twice V2: by columns, and of the model of numbers alone as a matrix too.
    expect(examples).toHaveLength(3 + 3 + 2 * (3 + 1));
    for (const [schema, value] of examples) expect(allows(schema, value)).toBe(true);
  });

  test('has examples that are answered', async () => {
    const served = [
      modelVersion(1, { weights: [0.01, -0.2], bias: 0.5 }, 'parcel-weight'),
      columnsVersion(1, 'parcel-notes'),
    ].map((version) => servedModel(version).served);
    const endpoint = endpointOf(served);
    let asked = 0;
    for (const [, path, { requestBody }] of operations) {
      const { examples } = requestBody?.content['application/json'] ?? {};
      if (!examples || path.endsWith(':feedback') || path.includes('/answers')) continue;
      for (const { value } of Object.values(examples)) {
        const { status, body } = await askJson(
          endpoint,
          jsonRequest(path.replace('{version}', '1'), value),
        );
        expect([body.error, status]).toEqual([undefined, 200]);
        const reply = path.includes('/v2/') ? 'InferReply' : 'parcel-weight.PredictReply';
        expect(allows(reply, body)).toBe(true);
        asked += 1;
      }
    }
    expect(asked).toBe(2 + 2 * 3);
  });

  test.each([
    ['parcel-weight.PredictRequest', { instances: [{ length: 301 }] }],
    ['parcel-weight.PredictRequest', { instances: [{ length: 1, widht: 2 }] }],
    ['parcel-weight.PredictRequest', { instances: [{ items: 1 }] }],
    ['parcel-weight.PredictRequest', { instances: [] }],
    ['parcel-weight.InferRequest', { inputs: [] }],
    [
      'parcel-weight.InferRequest',
      { inputs: [{ name: 'length', shape: [1], datatype: 'BYTES', data: ['1'] }] },
    ],
    [
      'parcel-weight.InferRequest',
      { inputs: [{ name: 'length', shape: [1], datatype: 'FP64', data: [301] }] },
    ],
    [
      'parcel-weight.InferRequest',
      { inputs: [{ name: 'instances', shape: [1, 3], datatype: 'FP32', data: [1, 2, 3] }] },
    ],
    [
      'parcel-weight.InferRequest',
      {
        inputs: [{ name: 'length', shape: [1], datatype: 'FP64', data: [1] }],
        outputs: [{ name: 'score' }],
      },
    ],
    [
      'parcel-notes.InferRequest',
      { inputs: [{ name: 'sent.at', shape: [1], datatype: 'BYTES', data: ['yesterday'] }] },
    ],
    ['parcel-weight.FeedbackRequest', { labels: [{ label: 1 }] }],
    ['Error', { message: 'no' }],
  ])('does not allow what is refused: %s %#', (schema, body) => {
    expect(allows(schema, body)).toBe(false);
  });

  test('says of a container alone that it may fail and say more', () => {
    const statuses = (model: string) =>
      Object.keys(document.paths[`/v2/models/${model}/infer`].post.responses);
    expect(statuses('answers')).toContain('502');
    expect(statuses('parcel-notes')).not.toContain('502');
    expect(
      allows('answers.PredictReply', { ...reply, predictions: [{ prediction: 1, why: 'x' }] }),
    ).toBe(true);
    expect(
      allows('parcel-notes.PredictReply', { ...reply, predictions: [{ prediction: 1 }] }),
    ).toBe(false);
  });
});

const reply = { prediction_ids: ['a'], model_name: 'm', model_version: '1' };

test.each<Partial<SignatureColumn>>([
  { minimum: 0.1, maximum: 0.4 },
  { maximum: -5 },
  { minimum: -3, maximum: -2 },
  { minimum: 5_000 },
  { type: 'integer', minimum: -8, maximum: -7 },
  { type: 'integer', allowed: [3, 4] },
  { type: 'timestamp' },
  {},
])('the example of a column keeps its rules: %j', (changes) => {
  const column: SignatureColumn = {
    name: 'x',
    type: 'number',
    nullable: false,
    sensitive: false,
    ...changes,
  };
  expect(valueCheck(column)(allowedValue(column, now))).toBeUndefined();
});
