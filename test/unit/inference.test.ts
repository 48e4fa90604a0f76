import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createModelSession } from '../../adapters/model-session.ts';
import { createOnnxSession } from '../../adapters/onnx-session.ts';
import { maximumInstances } from '../../core/inference/instances.ts';
import { InvalidRequestError } from '../../core/inference/invalid-request-error.ts';
import { packLogLines } from '../../core/inference/log/pack-log-lines.ts';
import {
  predictionIds,
  predictionOrigin,
  sortableId,
} from '../../core/inference/log/prediction-id.ts';
import { PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import { instancesParser } from '../../core/inference/parse-instances.ts';
import { writtenKeys } from '../../core/inference/parse-json-body.ts';
import { PredictionFaultError } from '../../core/inference/predict.ts';
import { predict } from '../../core/inference/protocols/v1.ts';
import type { Signature } from '../../core/inference/signature.ts';
import { loadVersion } from '../../core/inference/versions/load-version.ts';
import type { LoadedVersion } from '../../core/inference/versions/loaded-version.ts';
import { featureSpec, modelVersion, signature } from '../builders/model-version.ts';
import { linearPrediction } from '../builders/onnx-model.ts';

const parse = instancesParser(signature());
const body = (...instances: unknown[]) => JSON.stringify({ instances });

/** The problems of a body, or the error that must not have been. */
function problemsOf(text: string, parser = parse): readonly string[] {
  try {
    parser(text);
  } catch (error) {
    if (error instanceof InvalidRequestError) return error.problems;
    throw error;
  }
  return [];
}

describe('a request', () => {
  test('is read into columns, with what was left out as null', () => {
    const parsed = parse(body({ length: 1.5, items: 2, parcel_id: 'a' }, { length: 3 }));
    expect(parsed.rows).toBe(2);
    expect({ ...parsed.columns }).toEqual({
      length: [1.5, 3],
      items: [2, null],
      parcel_id: ['a', null],
    });
  });

  test.each([
    ['', /^the body is empty; send {"instances": \[{"length"/],
    [' \n', /^the body is empty/],
    ['{"instances": [{"length": NaN}]}', /^the body is not JSON \(NaN, Infinity/],
    ['{"instances": [{"length": 1}]', /^the body is not JSON/],
    ['[1]', /^the body is not a JSON object/],
    ['null', /^the body is not a JSON object/],
    ['{}', /^instances: is missing/],
    ['{"instances": [{"length": 1}], "x": 1}', /^"x": is not a known field; remove it/],
    ['{"instances": {}}', /^instances: send an array of objects \(received an object\)/],
    ['{"instances": []}', /^instances: send at least one instance/],
    ['{"instances": [7]}', /^instances\[0\]: send an object \(received 7\)/],
    [body({}), /^instances\[0\]\.length: is missing; send a number/],
    [body({ length: '7' }), /^instances\[0\]\.length: send a finite number \(received "7"\)/],
    [body({ length: null }), /^instances\[0\]\.length: must not be null; send a finite number/],
    [body({ length: 301 }), /^instances\[0\]\.length: must be at most 300 \(received 301\)/],
    [body({ length: 1 }, { length: -1 }), /^instances\[1\]\.length: must be at least 0/],
    [body({ length: [[1]] }), /send a finite number \(received an array of 1\)/],
    ['{"instances": [{"length": 1e400}]}', /send a finite number \(received Infinity\)/],
    [body({ length: 1, items: 1.5 }), /^instances\[0\]\.items: send an integer/],
    ['{"instances": [{"length": 1, "items": 9007199254740993}]}', /items: send an integer between/],
    [body({ length: 1, widht: 2 }), /^instances\[0\]\."widht": is not a known field; use/],
    ['{"instances": [{"length": 1, "__proto__": {"length": 2}}]}', /"__proto__": is not a known/],
    ['{"instances": [{"length": 1, "constructor": 1}]}', /"constructor": is not a known field/],
    ['{"instances": [{"length": 1, "length": 2}]}', /names a field twice/],
    ['{"instances": [{"length": 1}], "instances": [{"length": 2}]}', /names a field twice/],
  ])('%s is refused', (text, problem) => {
    expect(problemsOf(text)[0]).toMatch(problem);
  });

  test('that has the label is told that it is the label', () => {
    const parser = instancesParser({ ...signature(), label: 'heavy' });
    expect(problemsOf(body({ length: 1, heavy: 0 }, { length: 2, heavi: 0 }), parser)).toEqual([
      'instances[0]."heavy": is the label: leave it out',
      'instances[1]."heavi": is not a known field; use parcel_id, length, items',
    ]);
  });

  test('with several mistakes is told all of them', () => {
    expect(problemsOf(body({ length: 'a', items: 'b' }, { items: 1 }))).toHaveLength(3);
  });

  test('has a limited number of rows', () => {
    const rows = (count: number) => body(...Array.from({ length: count }, () => ({ length: 1 })));
    expect(problemsOf(rows(maximumInstances))).toEqual([]);
    expect(problemsOf(rows(maximumInstances + 1))[0]).toMatch(
      /^instances: send at most 1000 per request, .* \(received 1001\)/,
    );
  });

  test('nested a hundred thousand deep is refused like any other', () => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    expect(problemsOf(`{"instances": [{"length": ${deep}}]}`)[0]).toMatch(/an array of 1/);
    expect(problemsOf(`{"instances": ${deep}}`)[0]).toMatch(/^instances\[0\]: send an object/);
  });

  test('never hears the value of a sensitive column', () => {
    const [length, items] = signature().inputs as [Signature['inputs'][0], Signature['inputs'][0]];
    const secret = instancesParser({
      ...signature(),
      inputs: [{ ...length, sensitive: true }, items],
    });
    expect(problemsOf(body({ length: 31415 }), secret)).toEqual([
      'instances[0].length: must be at most 300 (received a value that is not shown)',
    ]);
  });

  test('is either read or refused, whatever it is', () => {
    const valid = body({ length: 1.5, items: 2, parcel_id: 'a"\\b' }, { length: 3, items: null });
    const mutated = fc
      .array(fc.tuple(fc.nat(valid.length), fc.nat(4), fc.string({ unit: 'binary', maxLength: 4 })))
      .map((edits) =>
        edits.reduce(
          (text, [at, cut, insert]) => text.slice(0, at) + insert + text.slice(at + cut),
          valid,
        ),
      );
    const shaped = fc
      .array(
        fc.dictionary(
          fc.oneof(fc.constantFrom('length', 'items', 'parcel_id', '__proto__'), fc.string()),
          fc.jsonValue(),
        ),
      )
      .map((instances) => JSON.stringify({ instances }));
    fc.assert(
      fc.property(fc.oneof(mutated, shaped, fc.json(), fc.string()), (text) => {
        problemsOf(text);
      }),
      { numRuns: 5_000 },
    );
  });

  test('has as many written keys as its objects have together', () => {
    const keysIn = (value: unknown): number =>
      typeof value === 'object' && value !== null
        ? Object.values(value).reduce(
            (sum: number, part) => sum + keysIn(part),
            Array.isArray(value) ? 0 : Object.keys(value).length,
          )
        : 0;
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(3), (value, indent) => {
        // Parsed first: JSON.stringify writes a key '__proto__' that not every object has got.
        const text = JSON.stringify(value, null, indent);
        expect(writtenKeys(text)).toBe(keysIn(JSON.parse(text)));
      }),
    );
    expect(writtenKeys('{"a\\\\" : 1, "b\\"": {"c:": ":", "c:": [":"]}}')).toBe(4);
  });
});

describe('a prediction id', () => {
  test('leads to its model and version, and sorts by time', () => {
    const [id = ''] = predictionIds({ model: 'flight-v2-delay', version: 12 }, sortableId(1e12), 1);
    expect(predictionOrigin(id)).toEqual({ model: 'flight-v2-delay', version: 12 });
    fc.assert(
      fc.property(fc.nat(2 ** 45), fc.nat(2 ** 45), (a, b) => {
        fc.pre(a !== b);
        expect(sortableId(a) < sortableId(b)).toBe(a < b);
        expect(sortableId(a)).toMatch(/^[0-9a-f]{12}7[0-9a-f]{3}[89ab][0-9a-f]{15}$/);
      }),
    );
  });

  test('is unique among requests and rows', () => {
    const ids = Array.from({ length: 200 }, () =>
      predictionIds({ model: 'm-1', version: 1 }, sortableId(1e12), 5),
    ).flat();
    expect(new Set(ids).size).toBe(1_000);
  });

  test.each(['', 'flight-delay', 'flight-delay-v0-0-0', "x'; drop", 'a-v1-zz-1'])(
    '%j is none',
    (text) => {
      expect(predictionOrigin(text)).toBeUndefined();
    },
  );
});

const graph = { weights: [0.01, -0.2], bias: 0.5 };

function sourceOf({ record, objects }: ReturnType<typeof modelVersion>) {
  return {
    record: async () => record,
    read: async (key: string) => {
      const bytes = objects.get(key);
      if (!bytes) throw new Error(`no object ${key}`);
      return bytes;
    },
    createSession: createModelSession,
  };
}

async function answer(version: LoadedVersion, text: string) {
  return predict(version, { body: text, requestId: 'request-1' });
}

describe('a version', () => {
  test('answers all rows of a request in one run, as the model is defined', async () => {
    const version = await loadVersion(sourceOf(modelVersion(3, graph)), 3);
    const { reply, records } = await answer(
      version,
      body({ length: 100, items: 2, parcel_id: 'p-1' }, { length: 7 }),
    );
    await version.session.release();
    expect(reply).toMatchObject({ model_name: 'parcel-weight', model_version: '3' });
    expect(reply.predictions[0]).toBeCloseTo(linearPrediction(graph, [100, 2]), 6);
    expect(reply.predictions[1]).toBeCloseTo(linearPrediction(graph, [7, Number.NaN]), 6);
    expect(records.map(({ predictionId }) => predictionId)).toEqual(reply.prediction_ids);
    expect(records[1]).toMatchObject({
      entityKey: null,
      inputs: { length: 7, items: null, parcel_id: null },
      features: { length: 7, items: null },
      prediction: reply.predictions[1],
    });
    for (const record of records) expect(PredictionRecord.parse(record)).toEqual(record);
  });

  test('gives each row the same bits alone and among others', async () => {
    const version = await loadVersion(sourceOf(modelVersion(1, graph)), 1);
    const rows = Array.from({ length: 50 }, (_, i) => ({ length: i * 5.3, items: i }));
    const together = (await answer(version, body(...rows))).reply.predictions;
    for (const [i, row] of rows.entries()) {
      expect((await answer(version, body(row))).reply.predictions).toEqual([together[i]]);
    }
    await version.session.release();
  });

  test('logs neither a sensitive column nor the features computed from it', async () => {
    const version = await loadVersion(sourceOf(modelVersion(1, graph)), 1);
    const [length, items] = version.signature.inputs.map((input) => ({
      ...input,
      sensitive: input.name === 'length',
    })) as [Signature['inputs'][0], Signature['inputs'][0]];
    const secret = { ...version, signature: { ...version.signature, inputs: [length, items] } };
    const [record] = (await answer(secret, body({ length: 5, items: 1 }))).records;
    await version.session.release();
    expect(record?.inputs).toEqual({ items: 1, parcel_id: null });
    expect(record?.features).toEqual({ items: 1 });
  });

  test('refuses a number that is too large for 32 bits', async () => {
    const wide = modelVersion(1, graph);
    const version = await loadVersion(sourceOf(wide), 1);
    const open = {
      ...version.signature,
      inputs: [{ ...version.signature.inputs[0], maximum: 1e300 }],
    };
    const unbounded = { ...version, parse: instancesParser(open as Signature) };
    await expect(answer(unbounded, body({ length: 1 }, { length: 1e39 }))).rejects.toThrow(
      /^instances\[1\]\.length: send a number within the range of 32-bit/,
    );
    await version.session.release();
  });

  test('that gives no number is at fault itself', async () => {
    const version = await loadVersion(sourceOf(modelVersion(1, graph)), 1);
    await version.session.release();
    const session = {
      run: async () => ({ predictions: Float32Array.of(Number.NaN) }),
      release: async () => undefined,
    };
    await expect(answer({ ...version, session }, body({ length: 1 }))).rejects.toThrow(
      PredictionFaultError,
    );
  });

  test.each(['model.onnx', 'signature.json', 'features.json', 'parity.json'])(
    'is refused when %s is not what was registered',
    async (name) => {
      const built = modelVersion(2, graph);
      const key = `models/parcel-weight/2/${name}`;
      const other = Buffer.concat([built.objects.get(key) ?? Buffer.of(), Buffer.of(32)]);
      const objects = new Map(built.objects).set(key, other);
      await expect(loadVersion(sourceOf({ ...built, objects }), 2)).rejects.toThrow(
        new RegExp(`^${name} of parcel-weight version 2 has SHA-256 .* was registered with`),
      );
    },
  );

  test('is refused when it does not answer as its trainer did', async () => {
    const built = modelVersion(2, graph);
    const other = modelVersion(2, { ...graph, bias: 0.6 });
    const key = 'models/parcel-weight/2/model.onnx';
    const objects = new Map(built.objects).set(key, other.objects.get(key) ?? Buffer.of());
    const onnx = other.record.artifacts['model.onnx'];
    if (!onnx) throw new Error('unreachable');
    const record = {
      ...built.record,
      artifacts: { ...built.record.artifacts, 'model.onnx': onnx },
    };
    await expect(loadVersion(sourceOf({ record, objects }), 2)).rejects.toThrow(
      /^version 2 of parcel-weight answers 0\.\d+ to the first row of its parity sample/,
    );
  });

  test.each([
    ['is no graph', Buffer.from('not a graph'), /does not load the model/],
    [
      'has another output',
      modelVersion(1, { ...graph, output: 'score' }).objects.get(
        'models/parcel-weight/1/model.onnx',
      ),
      /has the inputs features and the outputs score/,
    ],
  ])('that %s is refused', async (_, onnx, message) => {
    const request = { onnx: onnx ?? Buffer.of(), spec: featureSpec(), signature: signature() };
    await expect(createOnnxSession({ runtime: 'onnx', ...request })).rejects.toThrow(message);
  });
});

describe('the prediction log', () => {
  test('is packed in order, whole lines, no record over the limit, as few as possible', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ maxLength: 30 })),
        fc.integer({ min: 8, max: 64 }),
        (values, limit) => {
          const { records, oversized } = packLogLines(values, limit);
          const fitting = values.filter(
            (v) => Buffer.byteLength(`${JSON.stringify(v)}\n`) <= limit,
          );
          const lines = records.flatMap((record) => record.toString().split('\n').slice(0, -1));
          expect(lines.map((line) => JSON.parse(line))).toEqual(fitting);
          expect(oversized).toBe(values.length - fitting.length);
          for (const [i, record] of records.entries()) {
            expect(record.byteLength).toBeLessThanOrEqual(limit);
            const first = records[i + 1]?.indexOf(10) ?? limit;
            expect(record.byteLength + first + 1).toBeGreaterThan(limit);
          }
        },
      ),
    );
  });
});
