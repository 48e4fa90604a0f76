import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbVersionHealth } from '../../adapters/dynamodb-version-health.ts';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { approveVersion, describeApproval } from '../../cli/commands/approve.ts';
import { downloadVersion } from '../../cli/commands/download.ts';
import { describeHistory, describeLive, liveVersion } from '../../cli/commands/live.ts';
import { describeRejection, rejectVersion } from '../../cli/commands/reject.ts';
import { describeRetirement, retireModel } from '../../cli/commands/retire.ts';
import { describeRollback, rollBackModel } from '../../cli/commands/rollback.ts';
import type { DeliveryRecords } from '../../cli/operator.ts';
import type { ModelVersion } from '../../core/registry/records.ts';
import { modelVersion } from '../builders/model-version.ts';
import { clientConfig, temporaryFolder, useCloud } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

const cloud = useCloud();
const graph = { weights: [0.1, 0.2], bias: 0 };
let records: DeliveryRecords;
let artifacts: S3Objects;

beforeAll(async () => {
  const table = await createRegistryTable(cloud(), 'operator');
  records = {
    ledger: dynamodbLedger(table),
    registry: dynamodbRegistry(table),
    health: dynamodbVersionHealth(table),
  };
  const client = new S3Client(clientConfig(cloud()));
  await client.send(new CreateBucketCommand({ Bucket: 'artifacts' }));
  artifacts = s3Objects({ bucket: 'artifacts', client });
});

/** Registers versions 1 to n with their artifacts; the gate refused those that are named. */
async function register(model: string, count: number, refused: number[] = []): Promise<void> {
  for (let version = 1; version <= count; version += 1) {
    const { objects, record } = modelVersion(version, graph, model);
    for (const [key, bytes] of objects) await artifacts.put(key, bytes);
    const { trainingId, runId, registeredAt: startedAt } = record;
    const trigger = { kind: 'person', by: 'ada' } as const;
    await records.registry.putRun({
      model,
      runId,
      trigger,
      status: 'RUNNING',
      reasons: [],
      startedAt,
    });
    await records.registry.reserveVersion(model, trainingId);
    const gate: ModelVersion['gate'] = refused.includes(version)
      ? { outcome: 'rejected', verdictKey: `reports/${model}/gate/${runId}.json` }
      : { outcome: 'passed', verdictKey: `reports/${model}/gate/${runId}.json` };
    await records.registry.registerVersion({ ...record, gate }, []);
  }
}
const approve = (model: string, version: number, options = {}) =>
  approveVersion(records, model, version, { override: false, ...options });
const check = (model: string, version: number, healthy: boolean) =>
  records.health.record(model, version, {
    answered: true,
    healthy,
    reason: healthy ? 'nothing drifted' : 'a third of its answers failed',
    at: new Date().toISOString(),
  });
const stage = (model: string, version: number) =>
  records.ledger.append({
    model,
    state: 'staged',
    version,
    reason: 'waits for approval',
    by: 'pipeline',
    at: new Date().toISOString(),
  });

describe('approve', () => {
  it('makes a staged version live once, and says what was before and how to go back', async () => {
    await register('approved', 2);
    await stage('approved', 1);
    const first = await approve('approved', 1);
    expect(describeApproval(first).at(-1)).toBe(
      'Before, no version was live. The way back: `slipway retire approved --reason "…"`',
    );
    const second = await approve('approved', 2, { reason: 'better at night' });
    expect(second).toMatchObject({ changed: true, before: { live: 1, retired: false } });
    expect(describeApproval(second)).toEqual([
      expect.stringMatching(
        /^Version 2 of approved is live, since .* \(better at night; by .+\)\.$/,
      ),
      'Before, version 1 was live. The way back: `slipway rollback approved --to 1`',
    ]);
    const again = await approve('approved', 2);
    expect(again).toMatchObject({ changed: false, entry: second.entry });
    expect(describeApproval(again)[0]).toMatch(/is live already, since .*; nothing was changed\.$/);
    expect(await records.ledger.head('approved')).toMatchObject({ live: 2, sequence: 3 });
  });

  it('takes what the gate refused only with --override and a reason, and keeps that', async () => {
    await register('forced', 2, [2]);
    await approve('forced', 1);
    await expect(approve('forced', 2)).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(
        /was refused by its gate \(reports\/forced\/gate[\s\S]*approve forced 2 --override --reason/,
      ),
    });
    await expect(approve('forced', 2, { override: true })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringContaining('--override needs --reason'),
    });
    expect(await records.ledger.head('forced')).toMatchObject({ live: 1, sequence: 1 });
    const forced = await approve('forced', 2, { override: true, reason: 'new airport' });
    expect(forced.entry).toMatchObject({ override: true, reason: 'new airport' });
    expect(describeApproval(forced).join()).toContain('the ledger keeps that it was forced');
    // What passed its gate needs no force, and the ledger does not say that it was.
    const back = await approve('forced', 1, { override: true, reason: 'sorry' });
    expect(back.entry.override).toBeUndefined();
  });

  it('knows the versions there are', async () => {
    await expect(approve('forced', 9)).rejects.toMatchObject({
      exitCode: 2,
      message: 'forced has no version 9; `slipway models` lists the versions there are',
    });
  });
});

describe('reject', () => {
  it('sets a staged version aside, once, and no other', async () => {
    await register('aside', 3);
    await approve('aside', 1);
    await stage('aside', 2);
    const rejected = await rejectVersion(records, 'aside', 2, 'wrong month');
    expect(describeRejection(rejected)).toEqual([
      expect.stringMatching(/^Version 2 of aside is set aside, since .* \(wrong month; by .+\)\.$/),
      'Version 1 stays live. `slipway approve aside 2` takes it all the same.',
    ]);
    expect(await rejectVersion(records, 'aside', 2, 'again')).toMatchObject({ changed: false });
    await expect(rejectVersion(records, 'aside', 1, 'x')).rejects.toThrow(/is live; `slipway roll/);
    await expect(rejectVersion(records, 'aside', 3, 'x')).rejects.toThrow(/not staged.*no version/);
    expect(await records.ledger.head('aside')).toMatchObject({ live: 1, sequence: 3 });
  });
});

describe('rollback', () => {
  it('goes to the last version that served healthily, in one entry, and says why that one', async () => {
    const model = 'fallen';
    await register(model, 4, [3]);
    for (const version of [1, 2]) {
      await approve(model, version);
      await check(model, version, true);
    }
    await approve(model, 3, { override: true, reason: 'deadline' });
    await check(model, 3, false);
    await approve(model, 4);
    const done = await rollBackModel(records, model, undefined, 'errors since 02:00');
    expect(done).toMatchObject({
      from: 4,
      to: 2,
      changed: true,
      why: expect.stringMatching(/^it answered, and its last record .* healthy: nothing drifted$/),
      passedOver: [{ version: 3, reason: expect.stringContaining('forced by override') }],
      entry: { sequence: 5, state: 'live', rolledBackFrom: 4, reason: 'errors since 02:00' },
    });
    expect(describeRollback(done)[0]).toMatch(/^fallen: version 4 → version 2, since /);
    expect(describeRollback(done)).toContain(
      'No later rollback chooses version 4; `slipway approve fallen 4` does.',
    );
    expect(describeRollback(done).at(-1)).toMatch(/later training.*slipway status fallen.*manual/);
    // Not 4, which it came from; not 3, which was bad.
    expect(await rollBackModel(records, model, undefined, 'worse')).toMatchObject({
      from: 2,
      to: 1,
    });
    await expect(rollBackModel(records, model, undefined, 'x')).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(
        /^no earlier version of fallen[\s\S]*version 2: it was rolled back from[\s\S]*rollback fallen --to 2`$/,
      ),
    });
    expect(await rollBackModel(records, model, 2, 'it was not 2')).toMatchObject({
      from: 1,
      to: 2,
    });
    await expect(rollBackModel(records, model, 9, 'x')).rejects.toThrow(/never live/);
    // What the gate refused is taken again with a reason only.
    await approve(model, 3, { override: true, reason: 'once more' });
    expect(await rollBackModel(records, model, 2, 'bad again')).toMatchObject({
      wayBack: 'slipway approve fallen 3 --override --reason "…"',
    });
  });

  it('has nothing to do where nothing is live', async () => {
    await expect(rollBackModel(records, 'nobody', undefined, 'x')).rejects.toThrow(
      /no version of nobody is live, so there is nothing to roll back from/,
    );
  });
});

describe('retire', () => {
  it('ends what answers until a version is rolled back to or approved', async () => {
    const model = 'gone';
    await register(model, 2);
    await expect(retireModel(records, model, 'x')).rejects.toThrow(/nothing to retire.*prune/);
    await approve(model, 1);
    await check(model, 1, true);
    await stage(model, 2);
    const retired = await retireModel(records, model, 'replaced');
    expect(retired).toMatchObject({ changed: true, lastVersion: 1 });
    expect(describeRetirement(retired).join('\n')).toMatch(/404[\s\S]*prune/);
    expect(await retireModel(records, model, 'again')).toMatchObject({
      changed: false,
      entry: retired.entry,
    });
    expect(await records.ledger.head(model)).toEqual({
      model,
      sequence: 3,
      retired: true,
      updatedAt: retired.entry.at,
    });
    expect(await rollBackModel(records, model, undefined, 'missed')).toMatchObject({
      from: null,
      to: 1,
    });
    expect(await records.ledger.head(model)).not.toHaveProperty('retired');
    await retireModel(records, model, 'replaced');
    expect(await approve(model, 2)).toMatchObject({ before: { live: null, retired: true } });
  });
});

describe('live', () => {
  it('tells the whole story of the ledger, and who answered at any time of it', async () => {
    const found = await liveVersion(records, 'gone', undefined);
    const states = found.entries.map(({ state, version }) => `${state} ${version}`);
    expect(states).toEqual(['live 1', 'staged 2', 'retired 1', 'live 1', 'retired 1', 'live 2']);
    const history = describeHistory(found);
    expect(history).toHaveLength(8);
    expect(history[3]).toMatch(/^3 .* the model is retired; version 1 was the last .* replaced$/);
    const retiredAt = found.entries[4]?.at ?? '';
    const then = await liveVersion(records, 'gone', retiredAt);
    expect(then).toMatchObject({ version: null });
    expect(describeLive(then)).toMatch(/^gone at .* was retired, since/);
    expect(await liveVersion(records, 'gone', '2020-01-01T00:00:00.000Z')).toMatchObject({
      version: null,
      entry: null,
    });
    const fallen = describeHistory(await liveVersion(records, 'fallen', undefined)).join('\n');
    expect(fallen).toMatch(/version 2 is live, rolled back from version 4/);
    expect(fallen).toMatch(/version 3 is live, forced: its gate had refused it/);
  });
});

describe('download', () => {
  const quiet = { note: () => undefined };
  const place = () => ({ artifacts, registry: records.registry });

  it('writes every artifact, held to its hash, and the lineage', async () => {
    await register('kept', 1);
    const version = await records.registry.getVersion('kept', 1);
    const folder = join(temporaryFolder(), 'deep', 'kept-v1');
    const done = await downloadVersion(place(), version, folder, quiet);
    expect(readdirSync(folder).toSorted()).toEqual(
      [...Object.keys(version.artifacts), 'lineage.json'].toSorted(),
    );
    const { objects } = modelVersion(1, graph, 'kept');
    for (const { name } of done.files) {
      const stored = objects.get(`${version.artifactsPrefix}${name}`);
      expect(stored?.equals(readFileSync(join(folder, name)))).toBe(true);
    }
    const lineage = JSON.parse(readFileSync(join(folder, 'lineage.json'), 'utf8'));
    expect(lineage).toMatchObject({ ...version, edges: [{ node: { type: 'version', id: '1' } }] });
    await expect(downloadVersion(place(), version, folder, quiet)).rejects.toThrow(
      /there is something at .*; name another folder with --to/,
    );
  });

  it.each([
    ['differs', (key: string) => artifacts.put(key, 'tampered'), /has SHA-256 .* registered with/],
    ['is gone', (key: string) => artifacts.remove(key), /is gone; nothing was written/],
  ])('leaves nothing where an object %s, and names it', async (what, spoil, message) => {
    const model = `spoilt-${what.replace(' ', '-')}`;
    await register(model, 1);
    const version = await records.registry.getVersion(model, 1);
    await spoil(`models/${model}/1/parity.json`);
    const around = temporaryFolder();
    writeFileSync(join(around, 'other'), '');
    const download = downloadVersion(place(), version, join(around, 'here'), quiet);
    await expect(download).rejects.toThrow(message);
    await expect(download).rejects.toThrow(`s3://artifacts/models/${model}/1/parity.json`);
    expect(readdirSync(around)).toEqual(['other']);
    expect(existsSync(join(around, 'here'))).toBe(false);
  });
});
