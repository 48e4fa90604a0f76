import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { buildSignature } from '../../core/features/build-signature.ts';
import { computeFeatureColumns, computeFeatures } from '../../core/features/compute-features.ts';
import type { FeatureSpec } from '../../core/features/feature-spec.ts';
import { featureSpecHash, fitFeatures } from '../../core/features/fit-features.ts';
import { holdoutTest } from '../../core/features/holdout.ts';
import { type RawValue, timestampMicros } from '../../core/features/raw-values.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { aModelDefinition } from '../builders/model-definition.ts';

const snapshotId = 'a'.repeat(64);
const dayMs = 86_400_000;

/** Every transform once, over a column of each type. */
const everyTransform = defineModel(
  aModelDefinition({
    data: {
      columns: {
        customer: { type: 'string' },
        seen_at: { type: 'timestamp', nullable: true },
        plan: { type: 'string', nullable: true },
        visits: { type: 'integer', nullable: true },
        age: { type: 'number', nullable: true },
        paying: { type: 'boolean', nullable: true },
        left: { type: 'integer', allowed: [0, 1] },
      },
      label: 'left',
      entityKey: 'customer',
      eventTime: 'seen_at',
    },
    features: {
      declared: {
        age: { transform: 'numeric', column: 'age' },
        paying: { transform: 'numeric', column: 'paying' },
        visits: { transform: 'log1p', column: 'visits' },
        noAge: { transform: 'isMissing', column: 'age' },
        plan: { transform: 'categorical', column: 'plan', maximumCategories: 2 },
        visitsCode: { transform: 'categorical', column: 'visits' },
        payingCode: { transform: 'categorical', column: 'paying' },
        day: { transform: 'dayOfWeek', column: 'seen_at' },
        month: { transform: 'month', column: 'seen_at' },
        hour: { transform: 'hourOfDay', column: 'seen_at' },
      },
    },
  }),
);

const instant = fc
  .date({ min: new Date('1690-01-01'), max: new Date('2250-01-01'), noInvalidDate: true })
  .map((date) => date.toISOString());
const row = fc.record({
  seen_at: fc.option(instant),
  plan: fc.option(fc.constantFrom('basic', 'plus', 'pro', 'é', '')),
  visits: fc.option(fc.integer({ min: 0, max: 3 })),
  age: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true, min: -1e30, max: 1e30 })),
  paying: fc.option(fc.boolean()),
});
type Row = Record<string, RawValue>;
const rows = fc.array(row as fc.Arbitrary<Row>, { minLength: 1, maxLength: 40 });

const columnsOf = (all: readonly Row[]): Record<string, RawValue[]> =>
  Object.fromEntries(
    ['seen_at', 'plan', 'visits', 'age', 'paying'].map((name) => [
      name,
      all.map((one) => one[name] ?? null),
    ]),
  );
const bits = (values: Float32Array): number[] => [
  ...new Uint32Array(Float32Array.from(values).buffer),
];

describe('an ISO 8601 timestamp', () => {
  it('is the same instant as JavaScript reads, in microseconds, when it names its zone', () => {
    fc.assert(
      fc.property(instant, fc.integer({ min: -14 * 60, max: 14 * 60 }), (text, zone) => {
        const local = new Date(Date.parse(text) + zone * 60_000).toISOString().slice(0, -1);
        const two = (n: number) => String(n).padStart(2, '0');
        const minutes = Math.abs(zone);
        const suffix = `${zone < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
        expect(timestampMicros(text)).toBe(Date.parse(text) * 1000);
        expect(timestampMicros(`${local}${suffix}`)).toBe(Date.parse(text) * 1000);
        expect(timestampMicros(`${local}${suffix.replace(':', '')}`)).toBe(Date.parse(text) * 1000);
      }),
    );
  });

  it('is in UTC when it names no zone, whatever the zone of the machine', () => {
    expect(timestampMicros('2001-03-25 02:30:00')).toBe(Date.UTC(2001, 2, 25, 2, 30) * 1000);
    expect(timestampMicros('2001-03-25T02:30')).toBe(Date.UTC(2001, 2, 25, 2, 30) * 1000);
    expect(timestampMicros('2001-03-25')).toBe(Date.UTC(2001, 2, 25) * 1000);
  });

  it('keeps microseconds and cuts off what is finer', () => {
    expect(timestampMicros('1970-01-01T00:00:00.000001Z')).toBe(1);
    expect(timestampMicros('1970-01-01T00:00:01.5')).toBe(1_500_000);
    expect(timestampMicros('1969-12-31T23:59:59.999999999Z')).toBe(-1);
  });

  it.each([
    '2001-02-29',
    '1900-02-29',
    '2001-13-01',
    '2001-00-10',
    '2001-04-31',
    '2001-01-01T24:00:00',
    '2001-01-01T10:60',
    '2001-01-01T10:00:60',
    '2001-01-01T10:00:00+15:00',
    '2001-01-01T10',
    '2001-1-1',
    '01/02/2001',
    ' 2001-01-01',
    '2001-01-01 ',
    '2001-01-01Z',
    '1600-01-01',
    '9999-12-31',
    '-2001-01-01',
    '2001-01-01T10:00:00.1234567890',
    'today',
    '',
  ])('is not %j', (text) => {
    expect(timestampMicros(text)).toBeUndefined();
  });

  it('may be a leap day', () => {
    expect(timestampMicros('2000-02-29')).toBe(Date.UTC(2000, 1, 29) * 1000);
    expect(timestampMicros('2004-02-29')).toBe(Date.UTC(2004, 1, 29) * 1000);
  });
});

/** What the transforms mean, written down a second time for one row and in other words. */
function expectedFeature(name: string, spec: FeatureSpec, one: Row): number {
  const date = one['seen_at'] === null ? undefined : new Date(String(one['seen_at']));
  const code = (feature: string, value: RawValue | undefined): number => {
    const words = spec.features.find((fitted) => fitted.name === feature)?.vocabulary ?? [];
    const at = value == null ? -1 : words.indexOf(value);
    return at < 0 ? Number.NaN : at;
  };
  const number = (value: RawValue | undefined) => (value == null ? Number.NaN : Number(value));
  const answers: Record<string, () => number> = {
    age: () => number(one['age']),
    paying: () => (one['paying'] === null ? Number.NaN : one['paying'] ? 1 : 0),
    visits: () => Math.log1p(number(one['visits'])),
    noAge: () => (one['age'] === null ? 1 : 0),
    plan: () => code('plan', one['plan']),
    visitsCode: () => code('visitsCode', one['visits']),
    payingCode: () => code('payingCode', one['paying']),
    day: () => (date ? date.getUTCDay() || 7 : Number.NaN),
    month: () => (date ? date.getUTCMonth() + 1 : Number.NaN),
    hour: () => (date ? date.getUTCHours() : Number.NaN),
  };
  return Math.fround(answers[name]?.() ?? Number.POSITIVE_INFINITY);
}

describe('computing features', () => {
  it('gives of every row what its transforms say, missing where the value is', () => {
    fc.assert(
      fc.property(rows, rows, (training, served) => {
        const spec = fitFeatures(everyTransform, snapshotId, columnsOf(training));
        const features = computeFeatureColumns(spec, columnsOf(served), served.length);
        for (const [i, { name }] of spec.features.entries()) {
          const expected = served.map((one) => expectedFeature(name, spec, one));
          expect([...(features[i] ?? [])], name).toEqual(expected);
        }
      }),
    );
  });

  it('gives a row the same bits alone as among others, and by rows as by columns', () => {
    fc.assert(
      fc.property(rows, (all) => {
        const spec = fitFeatures(everyTransform, snapshotId, columnsOf(all));
        const together = computeFeatures(spec, { rows: all.length, columns: columnsOf(all) });
        const columns = computeFeatureColumns(spec, columnsOf(all), all.length);
        const width = spec.features.length;
        for (const [i, one] of all.entries()) {
          const alone = computeFeatures(spec, { rows: 1, columns: columnsOf([one]) });
          expect(bits(alone)).toEqual(bits(together.slice(i * width, (i + 1) * width)));
          const picked = Float32Array.from(columns, (values) => values[i] ?? 0);
          expect(bits(alone)).toEqual(bits(picked));
        }
      }),
    );
  });

  it('gives the same bits for many rows at once: numbers with NaN for none, and codes', () => {
    fc.assert(
      fc.property(rows, (all) => {
        const spec = fitFeatures(everyTransform, snapshotId, columnsOf(all));
        const plain = columnsOf(all);
        const numbers = (name: string) =>
          Float64Array.from(plain[name] ?? [], (value) =>
            typeof value === 'string'
              ? Number(timestampMicros(value))
              : Number(value ?? Number.NaN),
          );
        const coded = (name: string) => {
          const values = [...new Set(plain[name])].reverse();
          return {
            values,
            codes: Uint32Array.from(plain[name] ?? [], (value) => values.indexOf(value)),
          };
        };
        const columns = {
          seen_at: numbers('seen_at'),
          plan: coded('plan'),
          visits: numbers('visits'),
          age: numbers('age'),
          paying: coded('paying'),
        };
        const rowsAtOnce = all.length;
        expect(bits(computeFeatures(spec, { rows: rowsAtOnce, columns }))).toEqual(
          bits(computeFeatures(spec, { rows: rowsAtOnce, columns: plain })),
        );
      }),
    );
  });

  it('gives the same bits for a timestamp as text and as microseconds', () => {
    fc.assert(
      fc.property(instant, (text) => {
        const spec = fitFeatures(everyTransform, snapshotId, {});
        const asText = computeFeatures(spec, { rows: 1, columns: { seen_at: [text] } });
        const micros = Date.parse(text) * 1000;
        const asMicros = computeFeatures(spec, { rows: 1, columns: { seen_at: [micros] } });
        expect(bits(asText)).toEqual(bits(asMicros));
      }),
    );
  });

  it('takes what has no logarithm as missing', () => {
    const spec = fitFeatures(everyTransform, snapshotId, {});
    const at = spec.features.findIndex(({ name }) => name === 'visits');
    const [, , visits] = computeFeatureColumns(spec, { visits: [-2, -1, 0] }, 3);
    expect(at).toBe(2);
    expect([...(visits ?? [])]).toEqual([Number.NaN, Number.NaN, 0]);
  });

  it('takes the last microsecond before an hour, a day and a month as before it', () => {
    const spec = fitFeatures(everyTransform, snapshotId, {});
    const columns = {
      seen_at: [
        '1969-12-31T23:59:59.999999Z',
        '1970-01-01T00:00:00Z',
        '2024-02-29T23:59:59.999999Z',
      ],
    };
    const features = computeFeatureColumns(spec, columns, 3);
    const named = (name: string) => [
      ...(features[spec.features.findIndex((feature) => feature.name === name)] ?? []),
    ];
    expect(named('day')).toEqual([3, 4, 4]);
    expect(named('month')).toEqual([12, 1, 2]);
    expect(named('hour')).toEqual([23, 0, 23]);
  });
});

describe('fitting features', () => {
  it('does not depend on the order of the rows', () => {
    const shuffled = rows.chain((all) =>
      fc.tuple(
        fc.constant(all),
        fc.shuffledSubarray(all, { minLength: all.length, maxLength: all.length }),
      ),
    );
    fc.assert(
      fc.property(shuffled, ([all, other]) => {
        expect(fitFeatures(everyTransform, snapshotId, columnsOf(other))).toEqual(
          fitFeatures(everyTransform, snapshotId, columnsOf(all)),
        );
      }),
    );
  });

  it('keeps the most frequent values, the smaller one first where two are as frequent', () => {
    const plan = ['pro', 'basic', 'plus', 'plus', 'basic', null, null, null];
    const visits = [10, 9, 10, 9, 2];
    const spec = fitFeatures(everyTransform, snapshotId, { plan, visits, paying: [false, true] });
    const vocabulary = (name: string) =>
      spec.features.find((feature) => feature.name === name)?.vocabulary;
    expect(vocabulary('plan')).toEqual(['basic', 'plus']);
    expect(vocabulary('visitsCode')).toEqual([9, 10, 2]);
    expect(vocabulary('payingCode')).toEqual([false, true]);
  });

  it('gives another hash to another snapshot, holdout or feature, and the same to the same', () => {
    const base = defineModel(aModelDefinition());
    const hash = featureSpecHash(base, snapshotId);
    expect(featureSpecHash(defineModel(aModelDefinition()), snapshotId)).toBe(hash);
    expect(featureSpecHash(base, 'b'.repeat(64))).not.toBe(hash);
    const others = [
      { evaluation: { ...base.evaluation, holdout: { by: 'time', days: 8 } as const } },
      { features: { declared: { age: { transform: 'log1p', column: 'age' } as const } } },
    ];
    for (const other of others) {
      expect(featureSpecHash(defineModel(aModelDefinition(other)), snapshotId)).not.toBe(hash);
    }
    const trained = aModelDefinition({ training: { trainer: 'xgboost', seed: 9 } });
    expect(featureSpecHash(defineModel(trained), snapshotId)).toBe(hash);
  });
});

describe('the holdout', () => {
  const withHoldout = (holdout: ReturnType<typeof aModelDefinition>['evaluation']['holdout']) =>
    defineModel(aModelDefinition({ evaluation: { ...aModelDefinition().evaluation, holdout } }));

  it('by time is the rows of the last days, and no other', () => {
    const micros = fc.integer({ min: 0, max: 400 }).map((hours) => hours * 3_600_000_000);
    fc.assert(
      fc.property(
        fc.array(fc.option(micros), { minLength: 1 }),
        fc.integer({ min: 1, max: 20 }),
        (times, days) => {
          const known = times.filter((time) => time !== null);
          const newest = known.length > 0 ? Math.max(...known) : null;
          const test = holdoutTest(withHoldout({ by: 'time', days }), newest);
          for (const [i, time] of times.entries()) {
            const isLate =
              time !== null &&
              new Date(time / 1000).getTime() > (newest ?? 0) / 1000 - days * dayMs;
            expect(test({ seen_at: times }, i)).toBe(isLate);
          }
        },
      ),
    );
  });

  it('by group never parts a group, and holds out about the fraction asked for', () => {
    const test = holdoutTest(withHoldout({ by: 'group', column: 'customer', fraction: 0.2 }), null);
    const customer = Array.from({ length: 5_000 }, (_, i) => `customer ${i % 2_500}`);
    const held = customer.map((_, i) => test({ customer }, i));
    expect(held.slice(0, 2_500)).toEqual(held.slice(2_500));
    const share = held.filter(Boolean).length / held.length;
    expect(share).toBeGreaterThan(0.16);
    expect(share).toBeLessThan(0.24);
  });

  it('by group does not depend on which other rows there are', () => {
    const definition = withHoldout({ by: 'group', column: 'customer', fraction: 0.5 });
    fc.assert(
      fc.property(fc.array(fc.string(), { minLength: 1 }), (customer) => {
        const among = holdoutTest(definition, null);
        for (const [i, name] of customer.entries()) {
          expect(holdoutTest(definition, null)({ customer: [name] }, 0)).toBe(
            among({ customer }, i),
          );
        }
      }),
    );
  });

  it('by column is the rows that have the value, and rows without one are for training', () => {
    const test = holdoutTest(withHoldout({ by: 'column', column: 'plan', value: 'pro' }), null);
    const plan = ['pro', 'basic', null, 'Pro'];
    expect(plan.map((_, i) => test({ plan }, i))).toEqual([true, false, false, false]);
  });
});

describe("a model's signature", () => {
  it('asks for the columns that features read, lets others come along, and names the label as that alone', () => {
    const definition = defineModel(aModelDefinition());
    const spec = fitFeatures(definition, snapshotId, {});
    const signature = buildSignature(definition, spec);
    expect(signature.inputs.map(({ name }) => name)).toEqual(['plan', 'age']);
    expect(signature.passthrough.map(({ name }) => name)).toEqual(['customer', 'seen_at']);
    expect(signature.entityKey).toBe('customer');
    expect(signature.tensor?.width).toBe(2);
    const { label, ...others } = signature;
    expect(label).toBe('left');
    expect(JSON.stringify(others)).not.toContain('left');
  });
});
