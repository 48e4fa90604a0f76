import { beforeAll, describe, expect, test } from 'vitest';
import { modelVersion } from '../builders/model-version.ts';
import { linearPrediction } from '../builders/onnx-model.ts';
import { askJson, endpointOf, jsonRequest, servedModel } from '../builders/served-model.ts';

const graph = { weights: [0.01, -0.2], bias: 0.5 };
const { served, answers } = servedModel(modelVersion(3, graph));
const endpoint = endpointOf([served], { version: '1.2.3' });
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

describe('the other routes', () => {
  test.each([
    ['/v2', 200, { name: 'slipway', version: '1.2.3', extensions: ['binary_tensor_data'] }],
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
