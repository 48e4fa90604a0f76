// Raw columns from dropped files to the tables of the trainer and of the gate.
import { describe, expect, it } from 'vitest';
import { sqlName, withDuckdb } from '../../adapters/duckdb-database.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import { Signature } from '../../core/inference/signature.ts';
import { TrainingProfile } from '../../core/monitoring/profile.ts';
import { takeSnapshot } from '../../lambdas/datasets/take-snapshot.ts';
import { validateSnapshot } from '../../lambdas/datasets/validate-snapshot.ts';
import { buildFeatures } from '../../lambdas/features/build-features.ts';
import { aColumnsDefinition } from '../builders/model-definition.ts';
import { dataCloud } from './data-cloud.ts';
import { useCloud } from './laptop-cloud/harness.ts';
import { asCsv, asLines } from './written-files.ts';

const cloud = useCloud();

interface Ride {
  readonly 'ride id': string;
  readonly 'picked up': string;
  readonly 'Fare ($)': number | null;
  readonly seats: number;
  readonly 'shared?': boolean | null;
  readonly zone: string | null;
  readonly comment: string;
  readonly tipped: 0 | 1;
}
const rides: readonly Ride[] = Array.from({ length: 600 }, (_, i) => ({
  'ride id': `r${i}`,
  'picked up': new Date(Date.UTC(2026, 0, 1 + Math.floor(i / 20), i % 24)).toISOString(),
  'Fare ($)': i % 11 === 0 ? null : 5 + (i % 40) + 0.25,
  seats: 1 + (i % 4),
  'shared?': i % 13 === 0 ? null : i % 3 === 0,
  zone: i % 17 === 0 ? null : (['north', 'south', 'old town'][i % 3] ?? null),
  comment: `number ${i}, "quoted", and\nof two lines`,
  tipped: i % 4 === 0 ? 1 : 0,
}));
const inModel = ['seats', 'Fare ($)', 'shared?', 'zone', 'comment', 'picked up'];
const rideDefinition = aColumnsDefinition(inModel, {
  name: 'rides',
  data: {
    columns: {
      'ride id': { type: 'string' },
      'picked up': { type: 'timestamp' },
      'Fare ($)': { type: 'number', nullable: true },
      seats: { type: 'integer' },
      'shared?': { type: 'boolean', nullable: true },
      zone: { type: 'string', nullable: true },
      comment: { type: 'string' },
      tipped: { type: 'integer', allowed: [0, 1] },
    },
    label: 'tipped',
    entityKey: 'ride id',
    eventTime: 'picked up',
  },
});

/** Rows of a Parquet object, in its order, and the types of its columns. */
const parquet = (data: S3Objects, key: string) =>
  withDuckdb(async (database) => {
    const path = `${database.folder}/read.parquet`;
    await data.download(key, undefined, path);
    const described = await database.rows(`DESCRIBE SELECT * FROM read_parquet('${path}')`);
    const select = described.map(([name, type]) =>
      type === 'TIMESTAMP' ? `epoch_us(${sqlName(String(name))})` : sqlName(String(name)),
    );
    const rows = await database.rows(`SELECT ${select.join(', ')} FROM read_parquet('${path}')`);
    return {
      types: Object.fromEntries(described.map(([name, type]) => [String(name), String(type)])),
      rows: rows.map((row) =>
        Object.fromEntries(described.map(([name], i) => [String(name), row[i]])),
      ),
    };
  });

describe('the tables of a model of raw columns', () => {
  async function built() {
    const { data, registry } = await dataCloud(cloud());
    await data.put('landing/rides/1.csv', asCsv(rides.slice(0, 300).map(emptyForNull)));
    await data.put('landing/rides/2.jsonl', asLines(rides.slice(300)));
    const { snapshotId, manifestKey } = await takeSnapshot({ data, registry }, rideDefinition);
    const validated = await validateSnapshot(data, rideDefinition, manifestKey);
    expect(validated).toMatchObject({ outcome: 'valid' });
    const event = { runId: 'run-1', snapshotId, manifestKey };
    return { data, event, result: await buildFeatures(data, rideDefinition, event) };
  }
  const emptyForNull = (ride: Ride) =>
    Object.fromEntries(Object.entries(ride).map(([name, value]) => [name, value ?? '']));

  it('hold every row once, on one side, with its values in their types', async () => {
    const { data, result } = await built();
    const trainKey = `${result.trainUri.slice(`s3://${data.bucket}/`.length)}part-0.parquet`;
    const sides = [await parquet(data, trainKey), await parquet(data, result.holdoutKey)];
    for (const { types } of sides) {
      expect(Object.entries(types)).toEqual([
        ['seats', 'BIGINT'],
        ['Fare ($)', 'DOUBLE'],
        ['shared?', 'BOOLEAN'],
        ['zone', 'VARCHAR'],
        ['comment', 'VARCHAR'],
        ['picked up', 'TIMESTAMP'],
        ['__label', 'DOUBLE'],
        ['__row', 'BIGINT'],
      ]);
    }
    const rows = sides.flatMap((side) => side.rows);
    const found = rows.map((row) => Number(row['__row'])).sort((a, b) => a - b);
    expect(found).toEqual(rides.map((_, i) => i));
    for (const { __row: row, __label: label, ...values } of rows) {
      const { tipped, 'ride id': _, ...ride } = rides[Number(row)] as Ride;
      const micros = BigInt(Date.parse(ride['picked up'])) * 1_000n;
      expect(label).toBe(tipped);
      expect(values).toEqual({ ...ride, seats: BigInt(ride.seats), 'picked up': micros });
    }
  });

  it('come with what is watched of them, and neither its document nor the profile holds the texts', async () => {
    const { data, result } = await built();
    const spec = FeatureSpec.parse(await data.getJson(result.featuresKey));
    expect(spec.columns?.map(({ name }) => name)).toEqual(inModel);
    expect(spec.features.map(({ name }) => name)).toEqual(['seats', 'Fare ($)', 'shared?', 'zone']);
    const signature = Signature.parse(await data.getJson(result.signatureKey));
    expect(signature.tensor).toBeUndefined();
    expect(new Set(signature.inputs.map(({ name }) => name))).toEqual(new Set(inModel));
    const profile = TrainingProfile.parse(await data.getJson(result.profileKey));
    expect(profile.features.map(({ name }) => name)).toEqual(spec.features.map(({ name }) => name));
    expect(JSON.stringify([spec, profile])).not.toContain('of two lines');
    const [seats] = profile.features;
    const counted = seats?.distribution.reference.counts.reduce((a, b) => a + b, 0);
    expect(counted).toBe(result.rows.train);
  });

  it('are the same objects when they are built again', async () => {
    const { data, event, result } = await built();
    const hash = async (key: string) => (await data.hash(key)).sha256;
    const before = await hash(result.holdoutKey);
    await data.remove(result.builtKey);
    const again = await buildFeatures(data, rideDefinition, event);
    expect(again).toEqual(result);
    expect(await hash(result.holdoutKey)).toBe(before);
  });
});
