import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createModelSession } from '../../adapters/model-session.ts';
import { createOnnxSession, UnfitGraphError } from '../../adapters/onnx-session.ts';
import { sampleInstance } from '../../cli/sample-instance.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import { fitFeatures } from '../../core/features/fit-features.ts';
import type { RawValue } from '../../core/features/raw-values.ts';
import { PredictionCache } from '../../core/inference/cache/prediction-cache.ts';
import { predictionKeys } from '../../core/inference/cache/prediction-keys.ts';
import { PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import { inputRows, modelInput } from '../../core/inference/model-input.ts';
import { ParitySample, parityInput } from '../../core/inference/parity/parity-sample.ts';
import { predict } from '../../core/inference/protocols/v1.ts';
import { CorruptVersionError, loadVersion } from '../../core/inference/versions/load-version.ts';
import type { LoadedVersion, ModelInput } from '../../core/inference/versions/loaded-version.ts';
import { parsedRecord } from '../../core/monitoring/count-window.ts';
import { trainingProfiler } from '../../core/monitoring/profile-training-rows.ts';
import {
  columnsSignature,
  columnsSpec,
  columnsVersion,
  type Parcel,
  parcelColumns,
  parcelPrediction,
} from '../builders/columns-version.ts';
import { aColumnsDefinition } from '../builders/model-definition.ts';
import { columnsModel } from '../builders/onnx-model.ts';

const snapshotId = 'a'.repeat(64);

const parcels = fc.record({
  'Length (cm)': fc.option(fc.double({ min: -1e6, max: 1e6, noNaN: true })),
  'fragile?': fc.option(fc.boolean()),
  'sent.at': fc.option(
    fc
      .date({ min: new Date('1700-01-01'), max: new Date('2250-01-01'), noInvalidDate: true })
      .map((date) => date.toISOString()),
  ),
  carrier: fc.option(fc.oneof(fc.constantFrom('north', 'south', ''), fc.string())),
});

const columnsOf = (rows: readonly Parcel[]): Record<string, RawValue[]> =>
  Object.fromEntries(
    columnsSignature().inputs.map(({ name }) => [name, rows.map((row) => row[name] ?? null)]),
  );
const rawInput = (rows: readonly Parcel[]): ModelInput =>
  modelInput(columnsSpec(), { rows: rows.length, columns: columnsOf(rows) });

function sourceOf({ record, objects }: ReturnType<typeof columnsVersion>) {
  return {
    record: async () => record,
    read: async (key: string) => objects.get(key) ?? Promise.reject(new Error(`no object ${key}`)),
    createSession: createModelSession,
  };
}
const load = () => loadVersion(sourceOf(columnsVersion(3)), 3);
const ask = (version: LoadedVersion, instances: readonly Parcel[], cache?: PredictionCache) =>
  predict(version, { body: JSON.stringify({ instances }), requestId: 'request-1' }, cache);

describe('a model of raw columns', () => {
  it('answers rows as they are sent, each with the bits it gets alone', async () => {
    const version = await load();
    await fc.assert(
      fc.asyncProperty(fc.array(parcels, { minLength: 1, maxLength: 5 }), async (rows) => {
        const { reply } = await ask(version, rows);
        for (const [i, row] of rows.entries()) {
          expect(reply.predictions[i]).toBeCloseTo(parcelPrediction(row), 5);
          expect((await ask(version, [row])).reply.predictions).toEqual([reply.predictions[i]]);
        }
      }),
      { numRuns: 50 },
    );
    await version.session.release();
  });

  it('logs the raw inputs and the features that are watched, and no time among those', async () => {
    const version = await load();
    const sent = { 'Length (cm)': 5, 'fragile?': true, 'sent.at': '2026-01-01', carrier: 'south' };
    const { records } = await ask(version, [sent, { carrier: 'west' }]);
    await version.session.release();
    expect(records[0]).toMatchObject({
      inputs: sent,
      features: { 'Length (cm)': 5, 'fragile?': 1, carrier: 1 },
    });
    expect(Object.keys(records[0]?.features ?? {})).toEqual(['Length (cm)', 'fragile?', 'carrier']);
    expect(records[1]?.features).toEqual({ 'Length (cm)': null, 'fragile?': null, carrier: null });
    for (const record of records) expect(PredictionRecord.parse(record)).toEqual(record);
  });

  it('refuses a number that is too large for what the data may have', async () => {
    const version = await load();
    await expect(ask(version, [{ 'Length (cm)': 1e39 }])).rejects.toThrow(
      'instances[0].Length (cm): send a number within the range of 32-bit',
    );
    await version.session.release();
  });

  it.each([
    ['the parity sample of features', 'parity.json', /its parity sample has a width of 1/],
    ['the signature of a container', 'signature.json', /runs in a container, and was registered/],
    ['the spec of features', 'features.json', /has a tensor of width none and takes 1 features/],
  ])('is refused with %s', async (_, name, message) => {
    const built = columnsVersion(3);
    const other = {
      'parity.json': {
        input: { data: [1], shape: [1, 1] },
        output: { data: [0.5], shape: [1, 1] },
        tolerance: 1e-6,
      },
      'signature.json': columnsSignature('parcel-weight', 'container'),
      'features.json': {
        model: 'parcel-weight',
        specHash: 'x',
        features: columnsSpec().features.slice(0, 1),
      },
    }[name];
    const bytes = Buffer.from(JSON.stringify(other));
    const objects = new Map(built.objects).set(`${built.record.artifactsPrefix}${name}`, bytes);
    const sha256 = createHash('sha256').update(bytes).digest('hex');
    const artifacts = { ...built.record.artifacts, [name]: { sha256, bytes: bytes.length } };
    const record = { ...built.record, artifacts };
    const loading = loadVersion(sourceOf({ record, objects }), 3);
    await expect(loading).rejects.toThrow(CorruptVersionError);
    await expect(loading).rejects.toThrow(message);
  });

  it.each([
    [
      'another input',
      [...parcelColumns.slice(0, 3), { name: 'Carrier', weight: 1 }],
      /this model has the inputs .*carrier .* its graph has the inputs .*Carrier/,
    ],
    [
      'a number where the column is text',
      [...parcelColumns.slice(0, 3), { name: 'carrier', weight: 1 }],
      /the graph's input carrier is float64, and must be string/,
    ],
  ])('is refused when its graph has %s', async (_, columns, message) => {
    const creating = createOnnxSession({
      runtime: 'onnx',
      onnx: columnsModel(columns, 0),
      spec: columnsSpec(),
      signature: columnsSignature(),
    });
    await expect(creating).rejects.toThrow(UnfitGraphError);
    await expect(creating).rejects.toThrow(message);
  });

  it('has an example: a row of its parity sample without a gap', () => {
    const { objects, record } = columnsVersion(1);
    const text = String(objects.get(`${record.artifactsPrefix}parity.json`));
    const sample = ParitySample.parse(JSON.parse(text));
    expect(sampleInstance(columnsSignature(), columnsSpec(), sample, new Date(0))).toEqual({
      'Length (cm)': 10,
      'fragile?': true,
      'sent.at': '2026-05-31T14:30:00Z',
      carrier: 'north',
    });
    expect(parityInput(columnsSpec(), sample, 1).rows).toBe(1);
  });
});

describe('the key of raw columns', () => {
  const of = { modelSha256: '0a'.repeat(32), featuresSha256: '0b'.repeat(32) };
  const keys = (rows: readonly Parcel[]) => predictionKeys(of, columnsSpec(), rawInput(rows));
  const canonical = (row: Parcel) =>
    columnsSignature().inputs.map(({ name, type }) => {
      const value = row[name] ?? null;
      if (type === 'timestamp' && typeof value === 'string') return Date.parse(value);
      return Object.is(value, -0) ? 'minus nothing' : JSON.stringify(value);
    });

  it('is the same exactly for the same row, whatever is beside it', () => {
    const similar = fc
      .tuple(parcels, parcels, fc.constantFrom(...Object.keys(columnsOf([]))))
      .map(
        ([row, other, name]) => [row, { ...row, [name]: (other as Parcel)[name] ?? null }] as const,
      );
    fc.assert(
      fc.property(similar, ([row, other]) => {
        const [one, two] = keys([row, other]);
        expect([one, two]).toEqual([...keys([row]), ...keys([other])]);
        expect(one === two).toBe(
          JSON.stringify(canonical(row)) === JSON.stringify(canonical(other)),
        );
      }),
    );
  });

  it('is one for an instant, however it is written', () => {
    const [zulu, east, none] = keys([
      { 'sent.at': '2026-05-31T14:30:00Z' },
      { 'sent.at': '2026-05-31T16:30:00.000000+02:00' },
      {},
    ]);
    expect(east).toBe(zulu);
    expect(none).not.toBe(zulu);
  });

  it('finds what was computed, and computes each row once', async () => {
    const version = await load();
    const memory = new Map<string, number>();
    const cache = new PredictionCache({ memory });
    const rows = [{ carrier: 'north' }, { carrier: 'south' }, { carrier: 'north' }];
    const direct = (await ask(version, rows)).reply.predictions;
    const first = await ask(version, rows, cache);
    const second = await ask(version, rows, cache);
    await version.session.release();
    expect([first.reply.predictions, second.reply.predictions]).toEqual([direct, direct]);
    expect(memory.size).toBe(2);
    expect(second.records.map((record) => record.cache)).toEqual(Array(3).fill('hit-memory'));
  });
});

describe('a container that says more than a number', () => {
  const details = [{ words: ['late', 'again'] }, null];
  const version = async (): Promise<LoadedVersion> => {
    const loaded = await load();
    await loaded.session.release();
    return {
      ...loaded,
      signature: columnsSignature('parcel-weight', 'container'),
      session: {
        run: async ({ rows }) => ({
          predictions: new Float32Array(rows).fill(0.5),
          details: details.slice(0, rows),
        }),
        release: async () => undefined,
      },
    };
  };

  it('has it in the reply and in the log, of the rows that it says it of', async () => {
    const { records, reply } = await ask(await version(), [{ carrier: 'a' }, { carrier: 'b' }]);
    expect(reply.predictions).toEqual([{ words: ['late', 'again'], prediction: 0.5 }, 0.5]);
    expect(records.map((record) => record.details)).toEqual([
      { words: ['late', 'again'] },
      undefined,
    ]);
    expect(parsedRecord(JSON.stringify(records[0]))).toEqual(records[0]);
  });

  it('is asked anew each time: a cache keeps numbers only', async () => {
    const cache = new PredictionCache({ memory: new Map<string, number>() });
    const twice = [
      await ask(await version(), [{}], cache),
      await ask(await version(), [{}], cache),
    ];
    for (const { reply, records } of twice) {
      expect(reply.predictions).toEqual([{ words: ['late', 'again'], prediction: 0.5 }]);
      expect(records[0]).not.toHaveProperty('cache');
    }
  });
});

describe('what is watched of raw columns', () => {
  const definition = aColumnsDefinition(['age', 'plan', 'customer', 'seen_at']);
  const specOf = (columns: Record<string, RawValue[]>) =>
    fitFeatures(definition, snapshotId, columns);

  it('is each number, each string of few values, and neither times nor names', () => {
    const spec = specOf({
      plan: ['basic', 'pro', 'basic', null],
      customer: ['c1', 'c2', 'c3', 'c4'],
    });
    expect(FeatureSpec.parse(JSON.parse(JSON.stringify(spec)))).toEqual(spec);
    expect(spec.input).toBe('columns');
    expect(spec.columns?.map(({ name }) => name)).toEqual(['age', 'plan', 'customer', 'seen_at']);
    expect(spec.features.map(({ name }) => name)).toEqual(['age']);
    const more = specOf({ plan: ['basic', 'pro', 'basic', 'pro'], customer: ['c1', 'c2', 'c3'] });
    expect(more.features.map(({ name, vocabulary }) => [name, vocabulary])).toEqual([
      ['age', undefined],
      ['plan', ['basic', 'pro']],
    ]);
  });

  it('says which columns are sensitive, so that no message tells their values', () => {
    const { data } = definition;
    const plan = { type: 'string' as const, nullable: true, sensitive: true };
    const changed = { ...definition, data: { ...data, columns: { ...data.columns, plan } } };
    const { columns } = FeatureSpec.parse(fitFeatures(changed, snapshotId, { plan: ['basic'] }));
    expect(columns?.map(({ name, sensitive }) => [name, sensitive])).toEqual([
      ['age', undefined],
      ['plan', true],
      ['customer', undefined],
      ['seen_at', undefined],
    ]);
  });

  it('are at most a hundred values of a string, and none where those are the smaller part', () => {
    const skewed = Array.from({ length: 1_000 }, (_, i) => `p${i < 700 ? i % 90 : i}`);
    const spec = specOf({ plan: skewed });
    expect(spec.features[1]?.vocabulary).toHaveLength(100);
    expect(spec.features[1]?.vocabulary?.slice(0, 90)).toEqual(
      expect.arrayContaining(Array.from({ length: 90 }, (_, i) => `p${i}`)),
    );
    const ids = Array.from({ length: 1_000 }, (_, i) => `c${i}`);
    const flat = Array.from({ length: 1_000 }, (_, i) => `p${i % 300}`);
    expect(specOf({ plan: flat, customer: ids }).features.map(({ name }) => name)).toEqual(['age']);
  });

  it('are no long texts, however often they repeat', () => {
    const plan = (length: number) => specOf({ plan: Array(10).fill('x'.repeat(length)) });
    expect(plan(500).features.map(({ name }) => name)).toContain('plan');
    expect(plan(501).features.map(({ name }) => name)).not.toContain('plan');
  });

  it('does not grow with the number of texts', () => {
    const texts = Array.from({ length: 100_500 }, (_, i) => `a text of its own, number ${i}`);
    const rows = [...texts, ...texts, ...texts];
    const spec = specOf({ plan: rows });
    expect(JSON.stringify(spec).length).toBeLessThan(1_000);
    const profiler = trainingProfiler(definition, spec);
    expect(JSON.stringify(profiler.counter().profile()).length).toBeLessThan(2_000);
  });

  it('of the same rows in another order is the same', () => {
    const words = fc.array(fc.constantFrom('a', 'b', 'c', 'd', 'e'), { maxLength: 30 });
    fc.assert(
      fc.property(words, fc.nat(), (plan, turn) => {
        const at = plan.length === 0 ? 0 : turn % plan.length;
        const turned = [...plan.slice(at), ...plan.slice(0, at)];
        expect(specOf({ plan: turned })).toEqual(specOf({ plan }));
      }),
    );
  });
});

describe('rows of an input', () => {
  it('are those picked, in that order', () => {
    const rows = fc.array(parcels, { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(rows, fc.array(fc.nat(5), { maxLength: 6 }), (all, places) => {
        const picked = places.map((place) => place % all.length);
        const expected = rawInput(picked.map((place) => all[place] as Parcel));
        expect(inputRows(rawInput(all), picked)).toEqual(expected);
      }),
    );
  });
});
