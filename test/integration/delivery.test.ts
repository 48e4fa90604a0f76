import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, PutCommand } from '@aws-sdk/lib-dynamodb';
import { beforeAll, describe, expect, it } from 'vitest';
import { type DynamodbLedger, dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import {
  type DynamodbVersionHealth,
  dynamodbVersionHealth,
} from '../../adapters/dynamodb-version-health.ts';
import { foldEntries, liveAt } from '../../core/delivery/ledger.ts';
import { approve, reject, retire, rollBack } from '../../core/delivery/operator-decisions.ts';
import { promoteVersion, stageVersion } from '../../lambdas/delivery/deliver-version.ts';
import { clientConfig, useCloud } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

const cloud = useCloud();
let ledger: DynamodbLedger;
let health: DynamodbVersionHealth;
beforeAll(async () => {
  const table = await createRegistryTable(cloud(), 'delivery');
  ledger = dynamodbLedger(table);
  health = dynamodbVersionHealth(table);
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
  expect(liveAt(await ledger.entries('nobody'), at(59))).toBeUndefined();
});

it('answers what was live at an instant', async () => {
  await ledger.append(draft('history', 1, 'live', 10));
  await ledger.append(draft('history', 2, 'live', 20));
  expect(liveAt(await ledger.entries('history'), at(9))).toBeUndefined();
  expect(liveAt(await ledger.entries('history'), at(10))).toBe(1);
  expect(liveAt(await ledger.entries('history'), '2026-03-01T01:00:19.999+01:00')).toBe(1);
  expect(liveAt(await ledger.entries('history'), at(20))).toBe(2);
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

it('keeps the order of decisions of every kind that come at the same time, each about what it found', async () => {
  const model = 'crowd';
  const operator = { by: 'ada', reason: 'busy night', at: at(1) };
  await ledger.append(draft(model, 1, 'live'));
  const decisions = Array.from({ length: 24 }, (_, i) => {
    const version = (i % 4) + 1;
    const kinds = [
      () => ledger.append({ ...draft(model, version, 'staged'), runId: `staging-${i}` }),
      () =>
        ledger.decide(model, (found) =>
          approve(found, { ...operator, version, gate: 'passed', override: false }),
        ),
      () => ledger.decide(model, (found) => reject(found, { ...operator, version })),
      () =>
        ledger.decide(model, (found) =>
          rollBack(found, { ...operator, from: found.head.live, health: new Map(), to: version }),
        ),
      () => ledger.decide(model, (found) => retire(found, operator)),
    ];
    return kinds[i % kinds.length]?.();
  });
  await Promise.all(decisions);
  const entries = await ledger.entries(model);
  expect(entries.map(({ sequence }) => sequence)).toEqual(entries.map((_, i) => i + 1));
  expect(await ledger.head(model)).toEqual(foldEntries(model, entries));
  // What an entry says it left is what answered just before it.
  for (const [i, { rolledBackFrom }] of entries.entries()) {
    if (rolledBackFrom === undefined) continue;
    expect(rolledBackFrom).toBe(foldEntries(model, entries.slice(0, i)).live);
  }
  expect(liveAt(entries, at(59))).toBe((await ledger.head(model)).live);
});

it('makes one entry of a rollback that several people ask for at once', async () => {
  const model = 'rolled';
  for (const version of [1, 2, 3]) {
    await ledger.append(draft(model, version, 'live'));
    await health.record(model, version, {
      answered: true,
      healthy: true,
      reason: 'nothing drifted',
      at: at(version),
    });
  }
  const seen = new Map((await health.list(model)).map((one) => [one.version, one]));
  const asked = Array.from({ length: 6 }, (_, i) =>
    ledger.decide(model, (found) =>
      rollBack(found, { by: `p${i}`, reason: 'errors', at: at(9), from: 3, health: seen }),
    ),
  );
  const outcomes = (await Promise.all(asked)).map(({ outcome }) => outcome).toSorted();
  expect(outcomes).toEqual(['appended', ...Array(5).fill('refused')]);
  expect(await ledger.head(model)).toMatchObject({ live: 2, rolledBackFrom: 3, sequence: 4 });
});

it('still reads entries and heads as they were written before there were approvals', async () => {
  const model = 'old';
  const first = { ...draft(model, 1, 'live'), sequence: 1 };
  const head = { model, sequence: 1, live: 1, updatedAt: first.at };
  const documents = DynamoDBDocumentClient.from(new DynamoDBClient(clientConfig(cloud())));
  const put = (sk: string, document: object) =>
    documents.send(
      new PutCommand({ TableName: 'delivery', Item: { pk: `LEDGER#${model}`, sk, document } }),
    );
  await put('ENTRY#0000000001', first);
  await put('HEAD', head);
  expect(await ledger.head(model)).toEqual(head);
  expect(await ledger.entries(model)).toEqual([first]);
  await ledger.append(draft(model, 2, 'staged'));
  expect(await ledger.head(model)).toMatchObject({ live: 1, staged: 2, sequence: 2 });
});

it('keeps what checks saw of a version, once each, however many record at the same time', async () => {
  const model = 'watched';
  const seen = (second: number, healthy: boolean) => ({
    answered: second === 1,
    healthy,
    reason: healthy ? 'nothing drifted' : '12 % of its requests failed',
    at: at(second),
  });
  expect(await health.find(model, 1)).toBeUndefined();
  await health.record(model, 1, seen(1, true));
  await Promise.all(Array.from({ length: 8 }, () => health.record(model, 1, seen(2, false))));
  await health.record(model, 1, seen(1, true));
  expect(await health.find(model, 1)).toEqual({
    model,
    version: 1,
    answered: true,
    records: [seen(1, true), seen(2, false)],
  });
  await health.record(model, 2, seen(3, true));
  expect((await health.list(model)).map(({ version }) => version)).toEqual([1, 2]);
});

describe("a run's delivery", () => {
  const run = (model: string, version: number) => ({
    model,
    version,
    runId: `${model}-${version}`,
  });

  it('stages, then goes live, and repeated says the same', async () => {
    const one = run('automatic', 1);
    for (let time = 0; time < 2; time += 1) {
      expect(await stageVersion(ledger, 'automatic', one)).toEqual({
        outcome: 'staged',
        reasons: [],
      });
      expect(await promoteVersion(ledger, one)).toEqual({ outcome: 'live', reasons: [] });
    }
    expect((await ledger.entries('automatic')).map(({ state }) => state)).toEqual([
      'staged',
      'live',
    ]);
  });

  it('stops at staged where a person approves; a newer version supersedes the one that waits', async () => {
    expect(await stageVersion(ledger, 'manual', run('manual', 1))).toEqual({
      outcome: 'awaiting_approval',
      reasons: [],
    });
    expect(await stageVersion(ledger, 'manual', run('manual', 2))).toEqual({
      outcome: 'awaiting_approval',
      reasons: ['version 1, which was staged before, is superseded'],
    });
    expect(await ledger.head('manual')).toMatchObject({ staged: 2, sequence: 2 });
    expect((await ledger.head('manual')).live).toBeUndefined();
  });

  it('gives way to a person who set the version aside or retired the model meanwhile', async () => {
    const operator = { by: 'ada', reason: 'wrong month', at: at(30) };
    const one = run('decided', 1);
    await stageVersion(ledger, 'automatic', one);
    await ledger.decide('decided', (found) => reject(found, { ...operator, version: 1 }));
    expect(await promoteVersion(ledger, one)).toMatchObject({
      outcome: 'rejected',
      reasons: [expect.stringMatching(/^version 1 was set aside at .* by ada \(wrong month\)/)],
    });
    await stageVersion(ledger, 'automatic', run('decided', 2));
    await ledger.decide('decided', (found) => retire(found, operator));
    expect(await promoteVersion(ledger, run('decided', 2))).toMatchObject({
      outcome: 'awaiting_approval',
      reasons: [expect.stringContaining('slipway approve decided 2')],
    });
    expect(await stageVersion(ledger, 'automatic', run('decided', 3))).toMatchObject({
      outcome: 'awaiting_approval',
    });
    expect(await ledger.head('decided')).toMatchObject({ retired: true, sequence: 4 });
  });
});
