import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sendResults } from '../../adapters/send-results.ts';
import { ContainerFaultError } from '../../core/inference/containers/container-errors.ts';
import { predictionOrigin } from '../../core/inference/log/prediction-id.ts';
import { instancesParser } from '../../core/inference/parse-instances.ts';
import {
  type AnsweredEvent,
  answerEvents,
  type StreamRecord,
} from '../../core/inference/streams/answer-events.ts';
import type { KeptResult } from '../../core/inference/streams/publish-once.ts';
import { ResultEvent, readEvent } from '../../core/inference/streams/stream-events.ts';
import type { LoadedVersion, ModelInput } from '../../core/inference/versions/loaded-version.ts';
import { featureSpec, signature } from '../builders/model-version.ts';

const model = 'parcel-weight';
const at = new Date('2026-11-26T07:00:00Z');
const options = { origin: { source: `/slipway/test/${model}` }, requestId: 'r', at };

/** A version whose prediction is the length, and that fails where a row's length is one of these. */
function version(bad: readonly number[] = [], fault?: () => Error) {
  const runs: number[] = [];
  const run = async (input: ModelInput) => {
    if (input.kind !== 'features') throw new Error('features were expected');
    runs.push(input.rows);
    const lengths = Array.from({ length: input.rows }, (_, row) => input.features[row * 2] ?? 0);
    const failing = lengths.some((length) => bad.includes(length));
    if (failing && fault) throw fault();
    const predictions = lengths.map((length) => (bad.includes(length) ? Number.NaN : length));
    return { predictions: Float32Array.from(predictions) };
  };
  const loaded: LoadedVersion = {
    model,
    version: 7,
    identity: { modelSha256: 'm', featuresSha256: 'f' },
    signature: signature(),
    spec: featureSpec(),
    parse: instancesParser(signature()),
    session: { run, release: async () => undefined },
  };
  return { loaded, runs };
}

let places = 0;
const record = (bytes: Uint8Array | string): StreamRecord => {
  places += 1;
  return { place: `shardId-000000000000:${places}`, bytes: Buffer.from(bytes), arrivedAt: at };
};
const event = (id: string, data: unknown, more: object = {}): string =>
  JSON.stringify({ specversion: '1.0', id, source: '/depot', type: 'weighed', data, ...more });
const resultOf = ({ result }: AnsweredEvent): ResultEvent =>
  ResultEvent.parse(JSON.parse(result?.text ?? 'null'));
const answer = (records: StreamRecord[], loaded = version().loaded) =>
  answerEvents(loaded, records, options);

describe('answering events', () => {
  it('runs a batch once, and gives each event an id of its own that leads to the version', async () => {
    const { loaded, runs } = version();
    const lengths = [1, 2, 3];
    const records = lengths.map((length) => record(event(`e${length}`, { length })));
    const answered = await answer(records, loaded);
    expect(runs).toEqual([3]);
    expect(answered.map((each) => resultOf(each).data)).toMatchObject(
      lengths.map((prediction) => ({ prediction, model_version: '7' })),
    );
    const ids = answered.map(
      (each) => (resultOf(each).data as { prediction_id: string }).prediction_id,
    );
    expect(new Set(ids).size).toBe(3);
    expect(ids.map(predictionOrigin)).toEqual(ids.map(() => ({ model, version: 7 })));
    // By the event alone: whoever is asked again says the same.
    const [again] = await answer([record(event('e1', { length: 1 }))], loaded);
    expect(again && resultOf(again)).toEqual(answered[0] && resultOf(answered[0]));
  });

  it('has one result for each record, whatever is in it', async () => {
    const anything = fc.oneof(
      fc.uint8Array(),
      fc.string().map((text) => Buffer.from(text)),
      fc.json().map((text) => Buffer.from(text)),
      fc
        .record(
          {
            specversion: fc.oneof(fc.constant('1.0'), fc.jsonValue()),
            id: fc.oneof(fc.string({ maxLength: 300 }), fc.jsonValue()),
            source: fc.oneof(fc.string(), fc.jsonValue()),
            type: fc.oneof(fc.constant('t'), fc.jsonValue()),
            data: fc.oneof(fc.record({ length: fc.double({ min: 0, max: 300 }) }), fc.jsonValue()),
          },
          { requiredKeys: [] },
        )
        .map((value) => Buffer.from(JSON.stringify(value))),
    );
    await fc.assert(
      fc.asyncProperty(fc.array(anything, { maxLength: 8 }), async (all) => {
        const records = all.map(record);
        const answered = await answer(records);
        expect(answered.map((each) => each.record)).toEqual(records);
        for (const each of answered) {
          const { data, id } = resultOf(each);
          expect('error' in data).toBe(each.refusal !== undefined);
          expect(each.result?.eventId).toBe(id);
        }
      }),
    );
  });

  it.each([
    ['', 'the record is not JSON; send'],
    ['[{"secret": 1}]', 'the record is not a JSON object; send'],
    [event('', { length: 1 }), 'id: '],
    [event('a', { length: 1 }, { specversion: '0.3' }), 'specversion: send "1.0"'],
    [
      event('a', { length: 1 }, { datacontenttype: 'text/xml' }),
      'datacontenttype: send application/',
    ],
    [event('a', [1]), "data: send the instance, an object of the model's columns"],
    [event('a', { length: 400 }), 'data.length: must be at most 300 (received 400)'],
    [event('a', {}), 'data.length: is missing; send a number'],
    [
      '{"specversion":"1.0","id":"a","source":"/d","type":"t","data":{"length":1,"length":2}}',
      'the event names a field twice; send each field once',
    ],
  ])('refuses %s and says why', async (text, error) => {
    const [refused] = await answer([record(text)]);
    expect(refused?.refusal?.error).toContain(error);
    expect(refused?.refusal?.keptAt).toMatch(
      new RegExp(`^quarantine/${model}/streaming/dt=2026-11-26/shardId-000000000000-\\d+\\.json$`),
    );
    expect(refused && JSON.stringify(resultOf(refused))).not.toContain('secret');
  });

  it('takes an event as its own whatever its other attributes are', () => {
    const { id, source, body } = readEvent(
      Buffer.from(event('a', { length: 1 }, { time: '2026-01-01T00:00:00Z', traceparent: '00-1' })),
    );
    expect({ id, source, body }).toEqual({
      id: 'a',
      source: '/depot',
      body: '{"instances":[{"length":1}]}',
    });
  });

  it.each([
    ['a number that is none', undefined],
    ['an exception of its container', () => new ContainerFaultError('Traceback: secret')],
  ])('finds the row that the model answers with %s, and answers the others', async (_, fault) => {
    const { loaded } = version([5], fault);
    const records = [1, 2, 5, 3, 4].map((length) => record(event(`e${length}`, { length })));
    const answered = await answer(records, loaded);
    expect(answered.map((each) => each.refusal?.error)).toEqual([
      undefined,
      undefined,
      'the model gave no number for this instance, though it did for others',
      undefined,
      undefined,
    ]);
  });

  it('leaves to the next delivery what no event of a batch is to blame for', async () => {
    const { loaded } = version([1, 2]);
    const records = [1, 2].map((length) => record(event(`e${length}`, { length })));
    const answered = await answer([...records, record('no event')], loaded);
    expect(answered.map(({ failure }) => failure instanceof Error)).toEqual([true, true, false]);
    expect(answered.map(({ result }) => result === undefined)).toEqual([true, true, false]);
  });

  it('says which record is out of the range of 32 bits', async () => {
    const { loaded } = version();
    const wide = { ...signature(), inputs: signature().inputs.map(({ maximum: _, ...of }) => of) };
    const records = [1, 1e39, 2].map((length) => record(event(`e${length}`, { length })));
    const answered = await answer(records, { ...loaded, parse: instancesParser(wide) });
    expect(answered.map((each) => each.refusal?.error)).toEqual([
      undefined,
      'data.length: send a number within the range of 32-bit floating point, ±3.4e38',
      undefined,
    ]);
  });
});

describe('sending results', () => {
  const kept = (key: string, text = key): KeptResult => ({ key, eventId: key, text, sentTo: [] });
  const soon = () => Date.now() + 5_000;

  it('sends every one, in calls that are no larger than they may be, in order', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 3_000 }), { maxLength: 40 }),
        fc.integer({ min: 1, max: 12 }),
        async (texts, most) => {
          const calls: KeptResult[][] = [];
          const results = texts.map((text, i) => kept(`k${i}`, text));
          const limits = { results: most, bytes: 10_000 };
          const failures = await sendResults(results, soon(), limits, async (part) => {
            calls.push([...part]);
            return new Map();
          });
          expect(failures.size).toBe(0);
          expect(calls.flat()).toEqual(results);
          for (const call of calls) {
            expect(call.length).toBeLessThanOrEqual(most);
            const bytes = call.reduce((sum, { text }) => sum + Buffer.byteLength(text), 0);
            expect(call.length === 1 || bytes <= 10_000).toBe(true);
          }
        },
      ),
    );
  });

  it('sends again what was throttled, and nothing that was taken', async () => {
    const calls: string[][] = [];
    const limits = { results: 10, bytes: 1_000_000 };
    const failures = await sendResults(
      ['a', 'b', 'c'].map((key) => kept(key)),
      soon(),
      limits,
      async (part) => {
        calls.push(part.map(({ key }) => key));
        return calls.length < 3 ? new Map([[part.length - 1, 'Throttled']]) : new Map();
      },
    );
    expect(calls).toEqual([['a', 'b', 'c'], ['c'], ['c']]);
    expect(failures.size).toBe(0);
  });

  it('says why what it could not send until the deadline was refused, or failed', async () => {
    const limits = { results: 1, bytes: 1_000_000 };
    const failures = await sendResults(
      [kept('a'), kept('b'), kept('c')],
      Date.now(),
      limits,
      async ([result]) => {
        if (result?.key === 'a') throw new Error('AccessDenied');
        return new Map(result?.key === 'b' ? [[0, 'Throttled']] : []);
      },
    );
    expect([...failures].map(([key, error]) => [key, (error as Error).message])).toEqual([
      ['a', 'AccessDenied'],
      ['b', 'Throttled'],
    ]);
  });
});
