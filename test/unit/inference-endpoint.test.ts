import { beforeAll, describe, expect, test } from 'vitest';
import {
  ContainerFaultError,
  ContainerTimeoutError,
} from '../../core/inference/containers/container-errors.ts';
import type { RefusedRequest, ServedModel } from '../../core/inference/endpoint.ts';
import { PredictionFaultError } from '../../core/inference/predict.ts';
import { DeadlineError, OverloadedError } from '../../core/inference/serving-errors.ts';
import {
  NotLiveError,
  NoVersionLoadedError,
  RetiredError,
} from '../../core/inference/versions/live-versions.ts';
import { platformVersion } from '../../core/version.ts';
import packageJson from '../../package.json' with { type: 'json' };
import { modelVersion } from '../builders/model-version.ts';
import { linearPrediction } from '../builders/onnx-model.ts';
import {
  askJson,
  type Endpoint,
  endpointOf,
  jsonRequest,
  servedModel,
} from '../builders/served-model.ts';

const graph = { weights: [0.01, -0.2], bias: 0.5 };
const { served, answers } = servedModel(modelVersion(3, graph));
const endpoint = endpointOf([served]);
const ask = (path: string, body?: unknown, headers = {}) =>
  askJson(endpoint, jsonRequest(path, body, headers));

const tensor = (name: string, datatype: string, shape: number[], data: unknown) => ({
  ...{ name, datatype, shape, data },
});
const infer = (...inputs: unknown[]) => ask('/v2/models/parcel-weight/infer', { inputs });

beforeAll(async () => {
  await served.versions.use(async () => undefined);
});

describe('rows by the Open Inference Protocol', () => {
  test('come as a tensor a column, and get the numbers that V1 gives', async () => {
    const { status, headers, body } = await ask('/v2/models/parcel-weight/infer', {
      id: 'r "1"',
      inputs: [
        tensor('length', 'FP64', [2], [100, 7]),
        tensor('items', 'INT64', [2, 1], [[2], [null]]),
        tensor('parcel_id', 'BYTES', [2], ['p-1', 'p-2']),
      ],
    });
    expect(status).toBe(200);
    expect(headers['Content-Type']).toBe('application/json');
    expect(body).toMatchObject({
      model_name: 'parcel-weight',
      model_version: '3',
      id: 'r "1"',
      outputs: [
        { name: 'prediction', datatype: 'FP32', shape: [2] },
        { name: 'prediction_id', datatype: 'BYTES', shape: [2] },
      ],
    });
    const v1 = await ask('/v1/models/parcel-weight:predict', {
      instances: [{ length: 100, items: 2, parcel_id: 'p-1' }, { length: 7 }],
    });
    expect(body.outputs[0].data).toEqual(v1.body.predictions);
    expect(body.outputs[0].data[0]).toBeCloseTo(linearPrediction(graph, [100, 2]), 6);
    const [prediction] = answers.slice(-2);
    expect(prediction?.records().map(({ predictionId }) => predictionId)).toEqual(
      body.outputs[1].data,
    );
    expect(prediction?.records()[1]).toMatchObject({
      entityKey: 'p-2',
      inputs: { length: 7, items: null, parcel_id: 'p-2' },
      variant: 'live',
    });
  });

  test.each([
    [
      'nested',
      [
        [100, 2],
        [7, null],
      ],
    ],
    ['flat', [100, 2, 7, null]],
  ])('come as one matrix, %s, too', async (_, data) => {
    const { status, body } = await infer(tensor('instances', 'FP32', [2, 2], data));
    expect(status).toBe(200);
    expect(body.outputs[0].data[1]).toBeCloseTo(linearPrediction(graph, [7, Number.NaN]), 6);
    expect(answers.at(-1)?.records()[1]?.inputs).toEqual({
      length: 7,
      items: null,
      parcel_id: null,
    });
  });

  test.each([
    [
      tensor('length', 'FP64', [2], [1, 301]),
      /^tensor "length"\[1\]: must be at most 300 \(received 301\)$/,
    ],
    [
      tensor('length', 'FP64', [1], ['7']),
      /^tensor "length"\[0\]: is no FP64; send one \(received "7"\)$/,
    ],
    [
      tensor('length', 'FP64', [2], [1]),
      /^tensor "length": its shape \[2\] has 2 values; send as many \(received 1\)$/,
    ],
    [
      tensor('length', 'BYTES', [1], ['1']),
      /^tensor "length": send the datatype FP64 \(received BYTES\)$/,
    ],
    [
      tensor('length', 'FP99', [1], [1]),
      /^tensor "length"\.datatype: send one of INT8, .* \(received "FP99"\)$/,
    ],
    [
      tensor('widht', 'FP64', [1], [1]),
      /^tensor "widht": is not a known input; send parcel_id, length, items, or/,
    ],
    [tensor('items', 'INT64', [1], [1]), /^tensor "length": is missing; send it as FP64 \[N\]$/],
    [
      tensor('instances', 'FP32', [1, 3], [1, 2, 3]),
      /^tensor "instances": send the shape \[N, 2\]/,
    ],
    [
      tensor('instances', 'FP32', [1, 2], [1, 2.5]),
      /^tensor "instances"\[0, 1\] \(items\): send an integer/,
    ],
    [
      tensor('instances', 'FP32', [2, 2], [[1, 2], [3]]),
      /^tensor "instances"\[1\]: send an array of 2/,
    ],
    [tensor('instances', 'FP32', [0, 2], []), /send at least one row/],
  ])('are refused as in case %#', async (input, problem) => {
    const { status, headers, body } = await infer(input);
    expect(body.error).toMatch(problem);
    expect(status).toBe(400);
    expect(headers['Content-Type']).toBe('application/json');
  });
});

/** A tensor's bytes as the specification has them, written by DataView alone. */
const bytesOf: Record<string, (values: readonly unknown[]) => Buffer> = {
  FP32: (values) => numbersAs(4, values, (view, at, value) => view.setFloat32(at, value, true)),
  FP64: (values) => numbersAs(8, values, (view, at, value) => view.setFloat64(at, value, true)),
  INT8: (values) => numbersAs(1, values, (view, at, value) => view.setInt8(at, value)),
  INT32: (values) => numbersAs(4, values, (view, at, value) => view.setInt32(at, value, true)),
  UINT16: (values) => numbersAs(2, values, (view, at, value) => view.setUint16(at, value, true)),
  INT64: (values) =>
    Buffer.concat(
      values.map((value) => {
        const bytes = Buffer.alloc(8);
        bytes.writeBigInt64LE(BigInt(value as number));
        return bytes;
      }),
    ),
  BYTES: (values) =>
    Buffer.concat(
      values.map((value) => {
        const text = Buffer.from(value as string);
        const length = Buffer.alloc(4);
        length.writeUInt32LE(text.length);
        return Buffer.concat([length, text]);
      }),
    ),
};

function numbersAs(
  size: number,
  values: readonly unknown[],
  set: (view: DataView, at: number, value: number) => void,
): Buffer {
  const view = new DataView(new ArrayBuffer(size * values.length));
  for (const [i, value] of values.entries()) set(view, i * size, value as number);
  return Buffer.from(view.buffer);
}

interface RawTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}
const raw = (
  name: string,
  datatype: string,
  values: readonly unknown[],
  shape?: number[],
): RawTensor => ({
  ...{ name, datatype, shape: shape ?? [values.length] },
  bytes: bytesOf[datatype]?.(values) ?? Buffer.of(),
});

/** A request of binary tensors, and its reply taken apart again. */
async function askBinary(tensors: readonly (RawTensor | object)[], more: object = {}) {
  const isRaw = (input: object): input is RawTensor => 'bytes' in input;
  const inputs = tensors.map((input) => {
    if (!isRaw(input)) return input;
    const { bytes, ...described } = input;
    return { ...described, parameters: { binary_data_size: bytes.length } };
  });
  const json = Buffer.from(JSON.stringify({ inputs, ...more }));
  const reply = await endpoint({
    method: 'POST',
    path: '/v2/models/parcel-weight/infer',
    headers: { 'inference-header-content-length': String(json.length) },
    body: Buffer.concat([json, ...tensors.filter(isRaw).map(({ bytes }) => bytes)]),
    requestId: 'request-1',
  });
  const { status, headers } = reply;
  const body = Buffer.from(reply.body);
  const length = Number(headers['Inference-Header-Content-Length'] ?? body.length);
  const header = JSON.parse(body.subarray(0, length).toString());
  return { status, headers, header, rest: body.subarray(length) };
}

describe('binary tensors', () => {
  const json = [
    tensor('length', 'FP64', [2], [100.25, 7]),
    tensor('items', 'INT64', [2], [2, 3]),
    tensor('parcel_id', 'BYTES', [2], ['p-ä', '']),
  ];

  test.each([
    [
      'all',
      [
        raw('length', 'FP64', [100.25, 7]),
        raw('items', 'INT64', [2, 3], [2, 1]),
        raw('parcel_id', 'BYTES', ['p-ä', '']),
      ],
    ],
    ['narrower', [raw('length', 'FP32', [100.25, 7]), raw('items', 'INT8', [2, 3])]],
    [
      'unaligned, beside JSON',
      [raw('parcel_id', 'BYTES', ['p-ä', '']), json[1], raw('length', 'FP64', [100.25, 7])],
    ],
    [
      'whole numbers that are no integers by type',
      [raw('length', 'FP32', [100.25, 7]), raw('items', 'FP64', [2, 3])],
    ],
    ['a matrix', [raw('instances', 'FP32', [100.25, 2, 7, 3], [2, 2]), json[2]]],
    ['a matrix of 64 bits', [raw('instances', 'FP64', [100.25, 2, 7, 3], [2, 2])]],
  ])('are answered as those of JSON: %s', async (_, tensors) => {
    const { body } = await infer(...json);
    const { status, header } = await askBinary(tensors as object[]);
    expect(status).toBe(200);
    expect(header.outputs[0].data).toEqual(body.outputs[0].data);
  });

  test('may be missing where they are null: NaN', async () => {
    const { header } = await askBinary([raw('instances', 'FP32', [7, Number.NaN], [1, 2])]);
    expect(header.outputs[0].data[0]).toBeCloseTo(linearPrediction(graph, [7, Number.NaN]), 6);
    expect(answers.at(-1)?.records()[0]).toMatchObject({
      inputs: { items: null },
      features: { items: null },
    });
  });

  test('come back where they are asked for', async () => {
    const matrix = raw('instances', 'INT32', [100, 2, 7, 3], [2, 2]);
    const plain = (await askBinary([matrix])).header.outputs[0].data;
    const { headers, header, rest } = await askBinary([matrix], {
      id: 'x',
      parameters: { binary_data_output: true, priority: 3 },
    });
    expect(headers['Content-Type']).toBe('application/octet-stream');
    expect(header).toMatchObject({ id: 'x', model_version: '3' });
    expect(header.outputs).toEqual([
      { name: 'prediction', datatype: 'FP32', shape: [2], parameters: { binary_data_size: 8 } },
      {
        name: 'prediction_id',
        datatype: 'BYTES',
        shape: [2],
        parameters: { binary_data_size: rest.length - 8 },
      },
    ]);
    expect([rest.readFloatLE(0), rest.readFloatLE(4)]).toEqual(plain);
    const ids = answers.at(-1)?.ids ?? [];
    expect(rest.subarray(8)).toEqual(bytesOf['BYTES']?.(ids));
  });

  test('come back for some outputs and not for others', async () => {
    const matrix = raw('instances', 'UINT16', [7, 3], [1, 2]);
    const { header, rest } = await askBinary([matrix], {
      outputs: [
        { name: 'prediction_id', parameters: { binary_data: false } },
        { name: 'prediction', parameters: { binary_data: true } },
      ],
    });
    expect(header.outputs.map(({ name }: { name: string }) => name)).toEqual([
      'prediction_id',
      'prediction',
    ]);
    expect(header.outputs[0].data).toEqual(answers.at(-1)?.ids);
    expect(rest).toHaveLength(4);
    const only = await askBinary([matrix], { outputs: [{ name: 'prediction' }] });
    expect(only.header.outputs).toHaveLength(1);
  });

  const lying = { ...raw('length', 'FP64', [1]), bytes: Buffer.alloc(12) };
  test.each([
    [
      'is cut off',
      [
        { ...raw('parcel_id', 'BYTES', ['p-1']), bytes: Buffer.of(9, 0, 0, 0, 1) },
        ...json.slice(0, 2),
      ],
      /^tensor "parcel_id"\[0\]: is cut off/,
    ],
    [
      'is no UTF-8',
      [
        { ...raw('parcel_id', 'BYTES', ['p']), bytes: Buffer.of(1, 0, 0, 0, 0xff) },
        ...json.slice(0, 2),
      ],
      /^tensor "parcel_id"\[0\]: is not UTF-8/,
    ],
    [
      'has half a number',
      [lying, json[1]],
      /binary_data_size: FP64 has 8 bytes a value \(received 12\)/,
    ],
    [
      'has more than its shape says',
      [raw('length', 'FP64', [1, 2], [1])],
      /^tensor "length": its shape \[1\] has 1 values; send as many \(received 2\)$/,
    ],
    [
      'has an integer that no double has',
      [raw('length', 'INT64', [2 ** 53])],
      /^tensor "length"\[0\]: is no INT64/,
    ],
    [
      'is infinite',
      [raw('length', 'FP32', [Infinity])],
      /^tensor "length"\[0\]: send a finite number/,
    ],
    [
      'is NaN and may not be',
      [raw('instances', 'FP32', [Number.NaN, 1], [1, 2])],
      /^tensor "instances"\[0, 0\] \(length\): must not be null/,
    ],
  ])('are refused where one %s', async (_, tensors, problem) => {
    const { status, header } = await askBinary(tensors as object[]);
    expect(header.error).toMatch(problem);
    expect(status).toBe(400);
  });

  test.each([
    ['0', /^the header Inference-Header-Content-Length/],
    ['1e3', /^the header Inference-Header-Content-Length/],
    ['999999', /^the header Inference-Header-Content-Length/],
    ['80', /^the body is not JSON/],
  ])('with a header length of %s are refused', async (length, problem) => {
    const request = jsonRequest(
      '/v2/models/parcel-weight/infer',
      { inputs: json },
      { 'inference-header-content-length': length },
    );
    const { status, body } = await askJson(endpoint, request);
    expect(body.error).toMatch(problem);
    expect(status).toBe(400);
  });
});

describe('a scoring server', () => {
  const scoring = endpointOf([served], {
    scoring: { defaultModel: 'parcel-weight' },
  });
  const send = (body: unknown, type?: string, headers = {}) =>
    askJson(
      scoring,
      jsonRequest('/invocations', body, { ...(type && { 'content-type': type }), ...headers }),
    );
  const columns = ['items', 'length', 'parcel_id'];

  test.each<[string, unknown, string | undefined]>([
    [
      'dataframe_split',
      {
        dataframe_split: {
          index: [0, 1],
          columns,
          data: [
            [2, 100, 'p-1'],
            [null, 7, 'p, "2"'],
          ],
        },
      },
      'application/json; charset=utf-8',
    ],
    [
      'dataframe_records',
      {
        dataframe_records: [
          { length: 100, items: 2, parcel_id: 'p-1' },
          { length: 7, items: null, parcel_id: 'p, "2"' },
        ],
        params: {},
      },
      undefined,
    ],
    [
      'instances',
      {
        instances: [
          { length: 100, items: 2, parcel_id: 'p-1' },
          { length: 7, parcel_id: 'p, "2"' },
        ],
      },
      'application/json',
    ],
    [
      'inputs by column',
      { inputs: { length: [[100], [7]], items: [2, null], parcel_id: ['p-1', 'p, "2"'] } },
      'application/json',
    ],
    ['CSV', 'length,items,parcel_id\r\n100,2,p-1\r\n7,,"p, ""2"""\n', 'text/csv'],
  ])('takes %s', async (_, body, type) => {
    const reply = await send(body, type);
    expect(reply.body.predictions?.[0]).toBeCloseTo(linearPrediction(graph, [100, 2]), 6);
    expect(reply.body.predictions?.[1]).toBeCloseTo(linearPrediction(graph, [7, Number.NaN]), 6);
    expect(
      answers
        .at(-1)
        ?.records()
        .map(({ inputs }) => inputs),
    ).toEqual([
      { length: 100, items: 2, parcel_id: 'p-1' },
      { length: 7, items: null, parcel_id: 'p, "2"' },
    ]);
  });

  test.each(['instances', 'inputs'])('takes %s as a matrix', async (name) => {
    const { body } = await send({
      [name]: [
        [100, 2],
        [7, null],
      ],
    });
    expect(body.predictions[1]).toBeCloseTo(linearPrediction(graph, [7, Number.NaN]), 6);
  });

  test.each<[unknown, string | undefined, number, RegExp]>([
    [{}, undefined, 400, /^send exactly one of dataframe_split, .* \(received none\)$/],
    [{ instances: [], inputs: [] }, undefined, 400, /\(received instances, inputs\)$/],
    [
      { dataframe_split: { columns, data: [[1, 2]] } },
      undefined,
      400,
      /^dataframe_split\.data\[0\]: send an array of 3 values/,
    ],
    [
      { dataframe_split: { columns: ['length', 'length'], data: [[1, 2]] } },
      undefined,
      400,
      /names a column twice/,
    ],
    [
      { dataframe_split: { columns: ['length'], data: [[301]] } },
      undefined,
      400,
      /^dataframe_split\.data\[0\]\.length: must be at most 300/,
    ],
    [{ inputs: { length: [1], items: [1, 2] } }, undefined, 400, /not equally long/],
    [
      { instances: [{ length: 1 }], params: { a: 1 } },
      undefined,
      400,
      /^params: the models here have none/,
    ],
    ['{"inputs": {"length": [1], "length": [2]}}', undefined, 400, /names a field twice/],
    [
      'length,items\n1,x\n',
      'text/csv',
      400,
      /^rows\[0\]\.items: send an integer .* \(received "x"\)/,
    ],
    ['length,items\n1,"2\n', 'text/csv', 400, /^the body is not CSV: line 2 has a quote/],
    ['length\n', 'text/csv', 400, /send at least one/],
    ['', 'text/csv', 400, /send at least one/],
    ['<a/>', 'text/xml', 415, /^the Content-Type 'text\/xml' is not understood/],
  ])('refuses case %#', async (body, type, status, problem) => {
    const reply = await send(body, type);
    expect(reply.body.error).toMatch(problem);
    expect(reply.status).toBe(status);
  });

  test('answers for the model of its header, and whether it is there', async () => {
    const other = await send({}, undefined, { 'x-slipway-model': 'nobody' });
    expect(other).toMatchObject({
      status: 404,
      body: { error: expect.stringMatching(/the models here are parcel-weight/) },
    });
    for (const path of ['/ping', '/health']) {
      expect(await askJson(scoring, jsonRequest(path))).toMatchObject({ status: 200 });
    }
    expect((await scoring(jsonRequest('/version'))).body).toBe(packageJson.version);
    expect(await ask('/ping')).toMatchObject({ status: 404 });
  });
});

test('the version that servers tell is that of the package', () => {
  expect(platformVersion).toBe(packageJson.version);
});

test('what is nested a hundred thousand deep is read or refused like anything else', async () => {
  const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
  const path = '/v2/models/parcel-weight/infer';
  const length = (data: string) => `{"name":"length","datatype":"FP64","shape":[1],"data":${data}}`;
  const asked = [
    [`{"parameters":{"a":${deep}},"inputs":[${length('[1]')}]}`, 200],
    [`{"inputs":[${length(deep)}]}`, 400],
    [`{"inputs":${deep}}`, 400],
    [
      `{"inputs":[${length('[1]')}],"outputs":[{"name":"prediction","parameters":{"a":${deep}}}]}`,
      200,
    ],
  ] as const;
  for (const [body, status] of asked) {
    const reply = await ask(path, body);
    expect([reply.body.error?.slice(0, 100), reply.status]).toEqual([
      status === 200 ? undefined : expect.any(String),
      status,
    ]);
  }
});

describe('where something is wrong on our side', () => {
  const infer = (endpoint: Endpoint) =>
    askJson(
      endpoint,
      jsonRequest('/v2/models/parcel-weight/infer', {
        inputs: [tensor('length', 'FP64', [1], [1])],
      }),
    );
  /** The version that is live, with another session. */
  const failing = (error: unknown): ServedModel => ({
    ...served,
    versions: {
      use: (call) =>
        served.versions.use((version, variant) => {
          const session = { ...version.session, run: () => Promise.reject(error) };
          return call({ ...version, session }, variant);
        }),
    },
  });
  const gone = (error: Error): ServedModel => ({
    ...served,
    versions: { use: () => Promise.reject(error) },
  });

  test.each<[string, ServedModel, number, string | undefined, RegExp]>([
    [
      'too much waits',
      failing(new OverloadedError('too many rows wait', 2.4)),
      503,
      '3',
      /^too many rows wait$/,
    ],
    [
      'it is too late',
      failing(new DeadlineError('late')),
      504,
      '10',
      /^the answer took longer than is allowed/,
    ],
    [
      'a container is starting',
      failing(new ContainerTimeoutError('x')),
      504,
      '10',
      /^the model's container did not answer in time/,
    ],
    [
      'a container fails',
      failing(new ContainerFaultError('secret')),
      502,
      undefined,
      /request-1 say why$/,
    ],
    [
      'the model gives no number',
      failing(new PredictionFaultError('secret')),
      500,
      undefined,
      /its log names request request-1$/,
    ],
    [
      'no version can be loaded',
      gone(new NoVersionLoadedError('none can be loaded')),
      503,
      '5',
      /^none can be loaded$/,
    ],
    [
      'none is live',
      gone(new NotLiveError('parcel-weight')),
      404,
      undefined,
      /has no live version yet/,
    ],
    ['it is retired', gone(new RetiredError('parcel-weight')), 404, undefined, /is retired/],
  ])('a caller is told in form that %s', async (_, model, status, retryAfter, text) => {
    const refused: RefusedRequest[] = [];
    const reply = await infer(endpointOf([model], { refused: (refusal) => refused.push(refusal) }));
    expect(reply.status).toBe(status);
    expect(reply.headers['Content-Type']).toBe('application/json');
    expect(reply.headers['Retry-After']).toBe(retryAfter);
    expect(Object.keys(reply.body)).toEqual(['error']);
    expect(reply.body.error).toMatch(text);
    expect(refused).toMatchObject([{ status, model: 'parcel-weight' }]);
  });

  test.each<[string, ServedModel, number, object]>([
    ['cannot be loaded', gone(new NoVersionLoadedError('none')), 503, { live: true, ready: false }],
    ['is not live yet', gone(new NotLiveError('parcel-weight')), 200, { live: true, ready: true }],
    ['is retired', gone(new RetiredError('parcel-weight')), 200, { live: true, ready: true }],
  ])('a server whose model %s is as ready as it can be', async (_, model, status, body) => {
    const endpoint = endpointOf([model]);
    expect(await askJson(endpoint, jsonRequest('/v2/health/ready'))).toMatchObject({
      status,
      body,
    });
    const { body: ready } = await askJson(endpoint, jsonRequest('/v2/models/parcel-weight/ready'));
    expect(ready).toMatchObject({ name: 'parcel-weight', ready: false, error: expect.any(String) });
  });

  test('a server that is about to end is not ready, and answers what still comes', async () => {
    const endpoint = endpointOf([served], { accepts: () => false });
    expect(await askJson(endpoint, jsonRequest('/v2/health/ready'))).toMatchObject({ status: 503 });
    expect(await askJson(endpoint, jsonRequest('/v2/health/live'))).toMatchObject({ status: 200 });
    expect(await infer(endpoint)).toMatchObject({ status: 200 });
  });

  test('a log that fails costs no reply, and is told', async () => {
    const told: unknown[] = [];
    for (const answered of [
      () => Promise.reject(new Error('later')),
      () => {
        throw new Error('at once');
      },
    ]) {
      const endpoint = endpointOf([{ ...served, answered }], {
        notLogged: (error) => told.push(String(error)),
      });
      expect(await infer(endpoint)).toMatchObject({ status: 200 });
    }
    expect(told).toEqual(['Error: later', 'Error: at once']);
  });

  test('the session is told until when an answer is of use', async () => {
    const limits: unknown[] = [];
    const watching: ServedModel = {
      ...served,
      versions: {
        use: (call) =>
          served.versions.use((version, variant) => {
            const { session } = version;
            const run: typeof session.run = (input, asked) => {
              limits.push(asked?.deadlineAt);
              return session.run(input, asked);
            };
            return call({ ...version, session: { ...session, run } }, variant);
          }),
      },
    };
    const body = { inputs: [tensor('length', 'FP64', [1], [1])] };
    const request = jsonRequest('/v2/models/parcel-weight/infer', body);
    await endpointOf([watching])({ ...request, deadlineAt: 1_234 });
    expect(limits).toEqual([1_234]);
  });
});

describe('the other routes', () => {
  test.each([
    ['/', 200, { status: 'alive' }],
    [
      '/v2',
      200,
      { name: 'slipway', version: packageJson.version, extensions: ['binary_tensor_data'] },
    ],
    ['/v2/health/live', 200, { live: true, ready: true }],
    ['/v2/health/ready', 200, { live: true, ready: true }],
    ['/v2/models/parcel-weight/ready', 200, { name: 'parcel-weight', ready: true }],
    ['/v2/models/parcel-weight/versions/3/ready', 200, { name: 'parcel-weight', ready: true }],
    [
      '/v2/models/parcel-weight/versions/2/ready',
      404,
      { error: expect.stringMatching(/version 3/) },
    ],
    ['/v1/models/parcel-weight', 200, { name: 'parcel-weight', ready: true, model_version: '3' }],
    ['/v2/models/nobody', 404, { error: expect.stringMatching(/^there is nothing at GET/) }],
    ['/v2/models/parcel-weight/infer', 405, { error: expect.stringMatching(/takes POST/) }],
  ])('GET %s', async (path, status, body) => {
    expect(await ask(path)).toMatchObject({ status, body });
  });

  test('tell what a model takes and gives', async () => {
    expect((await ask('/v2/models/parcel-weight')).body).toEqual({
      name: 'parcel-weight',
      versions: ['3'],
      platform: 'onnx_onnxv1',
      inputs: [
        { name: 'length', datatype: 'FP64', shape: [-1] },
        { name: 'items', datatype: 'INT64', shape: [-1] },
        { name: 'parcel_id', datatype: 'BYTES', shape: [-1] },
      ],
      outputs: [
        { name: 'prediction', datatype: 'FP32', shape: [-1] },
        { name: 'prediction_id', datatype: 'BYTES', shape: [-1] },
      ],
    });
  });
});
