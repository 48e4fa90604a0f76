import { beforeAll, expect, it } from 'vitest';
import { type DynamodbLedger, dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { foldEntries } from '../../core/delivery/ledger.ts';
import { useCloud } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

const cloud = useCloud();
let ledger: DynamodbLedger;
beforeAll(async () => {
  ledger = dynamodbLedger(await createRegistryTable(cloud(), 'delivery'));
});

const at = (second: number) => `2026-03-01T00:00:${String(second).padStart(2, '0')}.000Z`;
const draft = (model: string, version: number, state: 'staged' | 'live', second = version) => ({
  model,
  version,
  state,
  reason: 'passed its gate',
  by: 'pipeline',
  runId: `${model}-run-${version}`,
  at: at(second),
});

it('begins with a head that names no version', async () => {
  expect(await ledger.head('nobody')).toEqual({ model: 'nobody', sequence: 0 });
  expect(await ledger.entries('nobody')).toEqual([]);
  expect(await ledger.liveAt('nobody', at(59))).toBeUndefined();
});

it('answers what was live at an instant', async () => {
  await ledger.append(draft('history', 1, 'live', 10));
  await ledger.append(draft('history', 2, 'live', 20));
  expect(await ledger.liveAt('history', at(9))).toBeUndefined();
  expect(await ledger.liveAt('history', at(10))).toBe(1);
  expect(await ledger.liveAt('history', '2026-03-01T01:00:19.999+01:00')).toBe(1);
  expect(await ledger.liveAt('history', at(20))).toBe(2);
});

it('gives entries that are appended at the same time a strict order without gaps', async () => {
  const versions = Array.from({ length: 20 }, (_, i) => i + 1);
  const written = await Promise.all(
    versions.map((version) => ledger.append(draft('rush', version, 'live'))),
  );
  const entries = await ledger.entries('rush');
  expect(entries.map(({ sequence }) => sequence)).toEqual(versions);
  expect(new Set(entries.map(({ version }) => version))).toEqual(new Set(versions));
  expect(written.map(({ sequence }) => sequence).toSorted((a, b) => a - b)).toEqual(versions);
  expect(await ledger.head('rush')).toEqual(foldEntries('rush', entries));
  expect(entries.map((entry) => entry.at)).toEqual(entries.map((entry) => entry.at).toSorted());
});

it('stages and promotes a version once, however often and by however many it is asked', async () => {
  const asked = Array.from({ length: 6 }, () => ledger.append(draft('once', 1, 'staged')));
  expect(new Set((await Promise.all(asked)).map(({ sequence }) => sequence))).toEqual(new Set([1]));
  await ledger.append(draft('once', 1, 'live'));
  // Another run finds the version of the first one.
  await ledger.append({ ...draft('once', 1, 'staged'), runId: 'another' });
  await ledger.append({ ...draft('once', 1, 'live'), runId: 'another' });
  const states = (await ledger.entries('once')).map(({ state, sequence }) => [sequence, state]);
  expect(states).toEqual([
    [1, 'staged'],
    [2, 'live'],
  ]);
});

it('does not bring an older version back when its run repeats itself late', async () => {
  for (const version of [1, 2]) {
    await ledger.append(draft('late', version, 'staged'));
    await ledger.append(draft('late', version, 'live'));
  }
  await ledger.append(draft('late', 1, 'staged'));
  await ledger.append(draft('late', 1, 'live'));
  expect(await ledger.head('late')).toMatchObject({ live: 2, sequence: 4 });
});
