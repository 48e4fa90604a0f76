import { expect, it } from 'vitest';
import type { Run } from '../../core/registry/records.ts';
import type { Executions, RunLockStore, RunRecords } from '../../core/training/run-control.ts';
import { decide, type RunLock } from '../../core/training/run-lock.ts';

const now = '2026-03-01T00:00:00.000Z';

function aLock(model: string, runId: string): RunLock {
  const trigger = { kind: 'drop', by: 'landing/a.csv' } as const;
  const event = {
    kind: 'requested',
    model,
    runId,
    trigger,
    settled: false,
    quietSeconds: 30,
  } as const;
  const { lock } = decide(undefined, event, now);
  if (!lock) throw new Error('a request takes a free lock');
  return lock;
}

/** What every store of run locks does, in memory or not. */
export function runLockStoreContract(store: () => RunLockStore): void {
  it('keeps a lock per model', async () => {
    const locks = store();
    expect(await locks.read('alone')).toBeUndefined();
    expect(await locks.replace('alone', undefined, aLock('alone', 'r1'))).toBe(true);
    expect((await locks.read('alone'))?.lock).toEqual(aLock('alone', 'r1'));
    expect(await locks.read('other')).toBeUndefined();
  });

  it('gives a free lock to one of many', async () => {
    const locks = store();
    const asked = Array.from({ length: 8 }, (_, i) =>
      locks.replace('wanted', undefined, aLock('wanted', `r${i}`)),
    );
    expect((await Promise.all(asked)).filter(Boolean)).toHaveLength(1);
  });

  it('refuses a change of what was changed or freed since it was read', async () => {
    const locks = store();
    await locks.replace('changed', undefined, aLock('changed', 'r1'));
    const read = await locks.read('changed');
    expect(await locks.replace('changed', read, { ...aLock('changed', 'r1'), seenAt: now })).toBe(
      true,
    );
    expect(await locks.replace('changed', read, aLock('changed', 'r2'))).toBe(false);
    expect(await locks.replace('changed', read, undefined)).toBe(false);
    expect(await locks.replace('changed', await locks.read('changed'), undefined)).toBe(true);
    expect(await locks.read('changed')).toBeUndefined();
    expect(await locks.replace('changed', read, aLock('changed', 'r3'))).toBe(false);
    // Freed and taken again by another, it counts from one again.
    await locks.replace('changed', undefined, aLock('changed', 'r4'));
    expect(await locks.replace('changed', read, undefined)).toBe(false);
  });
}

/** What every starter of executions does. */
export function executionsContract(executions: () => Executions): void {
  it('starts an execution once for each name', async () => {
    const { start, find, arnOf } = executions();
    expect(await find('nobody')).toBeUndefined();
    await start('contract-1', { runId: 'contract-1' });
    await start('contract-1', { runId: 'contract-1' });
    expect(await find('contract-1')).toMatchObject({
      status: 'RUNNING',
      executionArn: arnOf('contract-1'),
    });
  });
}

/** What every record of runs does. */
export function runRecordsContract(records: () => RunRecords): void {
  it('keeps the first end of a run, whatever is put or ended later', async () => {
    const { putRun, finishRun } = records();
    const trigger = { kind: 'person', by: 'ada' } as const;
    const run: Run = {
      model: 'm',
      runId: 'r',
      trigger,
      status: 'RUNNING',
      reasons: [],
      startedAt: now,
    };
    const end = { status: 'SUCCEEDED', finishedAt: now } as const;
    await expect(finishRun('m', 'r', end)).rejects.toMatchObject({ name: 'RunNotFoundError' });
    await putRun(run);
    expect(await finishRun('m', 'r', end)).toBe(true);
    await putRun(run);
    expect(await finishRun('m', 'r', { ...end, status: 'FAILED' })).toBe(false);
  });
}
