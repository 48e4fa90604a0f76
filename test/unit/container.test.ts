import { SageMakerRuntimeServiceException } from '@aws-sdk/client-sagemaker-runtime';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { removeEndpoints } from '../../adapters/model-endpoints.ts';
import { createEndpointSession } from '../../adapters/sagemaker-endpoint-session.ts';
import { versionsWithEndpoint } from '../../core/delivery/kept-endpoints.ts';
import { foldEntries } from '../../core/delivery/ledger.ts';
import type { LedgerEntry } from '../../core/delivery/ledger-entry.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import {
  containerBody,
  containerOutput,
} from '../../core/inference/containers/container-protocol.ts';
import { costPer1000Predictions } from '../../core/inference/measurement.ts';
import { DeadlineError } from '../../core/inference/serving-errors.ts';
import { Signature } from '../../core/inference/signature.ts';
import { defineModel, type ModelDefinitionInput } from '../../core/model/define-model.ts';
import { httpHandler } from '../../lambdas/runtime/http-handler.ts';
import { aModelDefinition } from '../builders/model-definition.ts';

const inputs = [
  { name: 'plan', type: 'string' },
  { name: 'seen at', type: 'timestamp' },
  { name: 'age', type: 'number' },
] as const;
const columns = {
  plan: ['basic', null, 'pro'],
  'seen at': ['2026-01-02T03:04:05.678901+02:00', 1_767_323_045_678_901, null],
  age: [40, null, 30.5],
};

describe('what a container is sent', () => {
  it('is in v1 an object a row, a timestamp in one form however it came', () => {
    const body = containerBody('v1', inputs, { columns, first: 0, rows: 3 });
    expect(JSON.parse(body)).toEqual({
      instances: [
        { plan: 'basic', 'seen at': '2026-01-02T01:04:05.678901Z', age: 40 },
        { plan: null, 'seen at': '2026-01-02T03:04:05.678901Z', age: null },
        { plan: 'pro', 'seen at': null, age: 30.5 },
      ],
    });
  });

  it('is in v2 a tensor a column, by the types of the Open Inference Protocol', () => {
    const body = containerBody('v2', inputs, { columns, first: 2, rows: 1 });
    expect(JSON.parse(body)).toEqual({
      inputs: [
        { name: 'plan', datatype: 'BYTES', shape: [1, 1], data: ['pro'] },
        { name: 'seen at', datatype: 'BYTES', shape: [1, 1], data: [null] },
        { name: 'age', datatype: 'FP64', shape: [1, 1], data: [30.5] },
      ],
    });
  });
});

describe('what a container answers', () => {
  it('is a number a row, alone, in a list of its own, or with what else it says', () => {
    const text = JSON.stringify({ predictions: [0.5, [0.25], { prediction: 1, why: { age: 3 } }] });
    expect(containerOutput('v1', text, 3)).toEqual({
      predictions: Float32Array.of(0.5, 0.25, 1),
      details: [null, null, { why: { age: 3 } }],
    });
  });

  it('is in v2 the tensor called prediction, the others as details', () => {
    const text = JSON.stringify({
      outputs: [
        { name: 'class', datatype: 'BYTES', shape: [2], data: ['low', 'high'] },
        { name: 'details', datatype: 'BYTES', shape: [2], data: ['{"top":"age"}', 'null'] },
        { name: 'prediction', datatype: 'FP32', shape: [2, 1], data: [0.25, 0.75] },
      ],
    });
    expect(containerOutput('v2', text, 2)).toEqual({
      predictions: Float32Array.of(0.25, 0.75),
      details: [{ class: 'low', top: 'age' }, { class: 'high' }],
    });
  });

  it.each([
    ['v1', '{"predictions": [1]}', '1 predictions for 2 rows'],
    ['v1', '{"predictions": [1, "2"]}', 'row 1 is string'],
    ['v1', '{"predictions": [1, {"score": 2}]}', "no number under 'prediction', only score"],
    ['v1', '{"answers": [1, 2]}', 'no list of predictions'],
    ['v1', '<html>', 'not JSON'],
    ['v2', '{"predictions": [1, 2]}', 'no outputs of the Open Inference Protocol'],
    ['v2', '{"outputs": [{"name": "a", "shape": [3], "data": [1, 2, 3]}]}', '3 predictions for 2'],
    ['v2', '{"outputs": [{"name": "a", "shape": [2], "data": [1, null]}]}', 'row 1 of a is not'],
    [
      'v2',
      '{"outputs": [{"name": "a", "shape": [2], "data": [1, 2]}, {"name": "b", "shape": [2], "data": [1, 2]}]}',
      'none of its outputs (a, b) is called prediction',
    ],
  ] as const)('is refused in %s where it is %s', (protocol, text, why) => {
    expect(() => containerOutput(protocol, text, 2)).toThrow(why);
  });

  it('is never of another length than its rows, whatever comes', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(5), fc.constantFrom('v1', 'v2'), (text, rows, protocol) => {
        try {
          const output = containerOutput(protocol as 'v1' | 'v2', text, rows);
          expect(output.predictions).toHaveLength(rows);
        } catch (error) {
          expect(error).toMatchObject({ name: 'ContainerFaultError' });
        }
      }),
    );
  });
});

const spec = FeatureSpec.parse({
  model: 'churn',
  specHash: 'f'.repeat(64),
  input: 'columns',
  columns: [{ name: 'text', type: 'string' }],
  features: [],
});
const signature = (sensitive: boolean) =>
  Signature.parse({
    model: 'churn',
    task: 'regression',
    inputs: [{ name: 'text', type: 'string', sensitive }],
    passthrough: [],
    runtime: 'container',
  });

/** A session whose endpoint answers as told; it counts the rows that it was sent. */
function sessionOf(answer: (instances: { text: string }[]) => unknown, sensitive = false) {
  const sent: number[] = [];
  const client = {
    async send(command: { input: { Body: string } }) {
      const { instances } = JSON.parse(command.input.Body);
      sent.push(instances.length);
      const reply = answer(instances);
      if (reply instanceof Error) throw reply;
      return { Body: { transformToString: () => JSON.stringify(reply) } };
    },
  };
  const request = {
    runtime: 'container',
    endpointName: 'churn-01234567-abcdef',
    spec,
    signature: signature(sensitive),
  } as const;
  return {
    sent,
    // biome-ignore lint/suspicious/noExplicitAny: the one call that is made
    session: createEndpointSession(request, { client: client as any, limitMs: 22_000 }),
  };
}
const rowsOf = (texts: string[]) => ({
  kind: 'columns' as const,
  rows: texts.length,
  columns: { text: texts },
});

const serviceError = (name: string, more: object) =>
  Object.assign(
    new SageMakerRuntimeServiceException({ name, message: 'x', $fault: 'client', $metadata: {} }),
    more,
  );

describe('a session of an endpoint', () => {
  it('sends a large request in parts, and joins the answers in the order of the rows', async () => {
    const { sent, session } = sessionOf((instances) => ({
      predictions: instances.map(({ text }) =>
        text.length % 2 ? { prediction: text.length, odd: true } : text.length,
      ),
    }));
    const texts = Array.from({ length: 7 }, (_, row) => 'x'.repeat(1_000_000 + row));
    const output = await session.run(rowsOf(texts));
    expect([...output.predictions]).toEqual(texts.map(({ length }) => length));
    expect(output.details).toEqual(texts.map(({ length }) => (length % 2 ? { odd: true } : null)));
    expect(Math.max(...sent)).toBeLessThanOrEqual(4);
    expect(sent.reduce((sum, rows) => sum + rows, 0)).toBe(7);
  });

  it('does not ask for what nobody waits for any more', async () => {
    const { sent, session } = sessionOf(() => ({ predictions: [1] }));
    const late = session.run(rowsOf(['x']), { deadlineAt: Date.now() - 1 });
    await expect(late).rejects.toThrow(DeadlineError);
    expect(sent).toEqual([]);
    const output = await session.run(rowsOf(['x']), { deadlineAt: Date.now() + 60_000 });
    expect([...output.predictions]).toEqual([1]);
  });

  it.each([
    ['TimeoutError', new Error('late'), 'ContainerTimeoutError', 'did not answer within 22 s'],
    ['ThrottlingException', undefined, 'ContainerBusyError', 'is busy'],
    ['ModelNotReadyException', undefined, 'ContainerBusyError', 'is busy'],
    ['ModelError', undefined, 'ContainerFaultError', 'answered 500'],
    ['ValidationError', { message: 'Endpoint x not found.' }, 'ContainerFaultError', 'no endpoint'],
  ])('tells %s apart', async (name, given, wanted, text) => {
    const error =
      given instanceof Error
        ? Object.assign(given, { name })
        : serviceError(name, { OriginalStatusCode: 500, ...given });
    const { session } = sessionOf(() => error);
    await expect(session.run(rowsOf(['a']))).rejects.toMatchObject({
      name: wanted,
      message: expect.stringContaining(text),
    });
  });

  it('passes the words of the container on, unless a column is sensitive', async () => {
    const error = serviceError('ModelError', {
      OriginalStatusCode: 500,
      OriginalMessage: 'train.py:4 in predict: KeyError: 12-34-56',
    });
    await expect(sessionOf(() => error).session.run(rowsOf(['a']))).rejects.toThrow('train.py:4');
    await expect(sessionOf(() => error, true).session.run(rowsOf(['a']))).rejects.not.toThrow(
      '12-34-56',
    );
  });
});

describe('what a caller is told of a container', () => {
  const told = async (name: string) => {
    const { session } = sessionOf(() => serviceError(name, { OriginalMessage: 'KeyError: plan' }));
    const refusals: unknown[] = [];
    const handler = httpHandler(
      async () => ({ status: 200, body: { out: await session.run(rowsOf(['a'])) } }),
      (refusal) => refusals.push(refusal),
    );
    const event = { httpMethod: 'POST', path: '/', body: '{}', headers: {}, requestContext: {} };
    // biome-ignore lint/suspicious/noExplicitAny: what of API Gateway's event is read
    const reply = (await handler(event as any, { awsRequestId: 'r-1' } as any)) as any;
    return { reply, refusals };
  };

  it('is 502 without its own words, which are in the log', async () => {
    const { refusals, reply } = await told('ModelError');
    expect(reply.statusCode).toBe(502);
    expect(JSON.parse(reply.body).error).toMatch(/gave no prediction.*r-1/);
    expect(reply.body).not.toContain('KeyError');
    expect(JSON.stringify(refusals)).toContain('KeyError: plan');
  });

  it('is 503 with a time to wait where it is busy', async () => {
    const { reply } = await told('ThrottlingException');
    expect(reply).toMatchObject({ statusCode: 503, headers: { 'Retry-After': '1' } });
  });
});

describe('the endpoints that stay', () => {
  const entry = (sequence: number, state: LedgerEntry['state'], version: number) => ({
    model: 'churn',
    sequence,
    state,
    version,
    reason: 'x',
    by: 'ada',
    at: `2026-01-0${sequence}T00:00:00.000Z`,
  });
  const live = (...versions: number[]): LedgerEntry[] =>
    versions.map((version, i) => entry(i + 1, 'live', version));

  it('are those of the live version, of the staged one, and of the three that were live last', () => {
    const entries = [...live(1, 2, 3, 4, 5, 6), entry(7, 'staged', 9)];
    const kept = versionsWithEndpoint({ entries, head: foldEntries('churn', entries) });
    expect(kept).toEqual([6, 9, 5, 4, 3]);
  });

  it('do not include one that was rolled back from', () => {
    const back = { ...entry(3, 'live', 1), rolledBackFrom: 2 };
    const entries = [...live(1, 2), back];
    expect(versionsWithEndpoint({ entries, head: foldEntries('churn', entries) })).toEqual([1]);
  });

  it('are known by their archives; one that cannot go yet keeps its archive', async () => {
    const keys = ['a', 'b', 'c'].map((name) => `endpoints/churn/${name}/model.tar.gz`);
    const gone: string[] = [];
    const artifacts = {
      list: async () => keys.map((key) => ({ key, bytes: 1 })),
      removePrefix: async (prefix: string) => gone.push(prefix),
    };
    const endpoints = { remove: async (name: string) => name !== 'c' };
    const removed = await removeEndpoints({ artifacts, endpoints }, 'churn', new Set(['a']));
    expect(removed).toEqual(['b']);
    expect(gone).toEqual(['endpoints/churn/b/']);
  });
});

describe('a model that a container answers', () => {
  const boxed = (changes: Partial<ModelDefinitionInput> = {}) =>
    aModelDefinition({
      features: { inModel: ['plan', 'age'] },
      training: { trainer: 'python' },
      serving: { target: 'container' },
      ...changes,
    });

  it('has 2 GB and five requests at a time unless it says otherwise', () => {
    expect(defineModel(boxed()).serving).toEqual({
      target: 'container',
      memoryMb: 2_048,
      maxConcurrency: 5,
      protocol: 'v1',
    });
  });

  it.each<[string, Partial<ModelDefinitionInput>, RegExp]>([
    [
      'the stock trainer',
      { training: { trainer: 'xgboost' } },
      /trainer: 'python'.*target: 'lambda'/,
    ],
    [
      'declared features',
      { features: { declared: { age: { transform: 'numeric', column: 'age' } } } },
      /features\.inModel.*features\.py/,
    ],
    [
      'memory that there is not',
      // biome-ignore lint/suspicious/noExplicitAny: what is refused
      { serving: { target: 'container', memoryMb: 3_000 } as any },
      /serving\.memoryMb.*1024, 2048.*3000/s,
    ],
    [
      'a cache',
      // biome-ignore lint/suspicious/noExplicitAny: what is refused
      { serving: { target: 'container', cache: {} } as any },
      /serving\.cache.*remove it/,
    ],
    [
      'a missing value in v2',
      { serving: { target: 'container', protocol: 'v2' } },
      /serving\.protocol.*no missing values, and age may be null.*'v1'/,
    ],
    [
      'an image that is not in ECR',
      { serving: { target: 'container', image: 'docker.io/churn:1' } },
      /serving\.image.*ECR.*docker\.io/,
    ],
  ])('is refused with %s', (_, changes, message) => {
    expect(() => defineModel(boxed(changes))).toThrow(message);
  });

  it('is paid for the time that its container and the function before it take', () => {
    const place = { memoryMb: 1_024, architecture: 'x64', containerMemoryMb: 2_048 };
    // AWS: 0.1 s of 1 GB of Lambda, 0.1 s of 2 GB of the container, and a request; a thousand times.
    const usd = 1_000 * (0.1 * 0.000_016_666_7 + 0.1 * 2 * 0.000_02 + 0.000_000_2);
    expect(costPer1000Predictions(100, place)).toBeCloseTo(usd, 9);
  });
});
