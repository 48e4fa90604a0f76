import { RunNotFoundError } from '../../core/registry/errors.ts';
import type { Run } from '../../core/registry/records.ts';
import type {
  Execution,
  Executions,
  HeldLock,
  RunLockStore,
  RunRecords,
} from '../../core/training/run-control.ts';

/** Locks in memory, under the same contract as the table's. */
export function memoryRunLocks(): RunLockStore {
  const locks = new Map<string, HeldLock>();
  return {
    read: async (model) => structuredClone(locks.get(model)),
    async replace(model, before, lock) {
      const held = locks.get(model);
      if (held?.lock.runId !== before?.lock.runId || held?.revision !== before?.revision)
        return false;
      if (lock) locks.set(model, structuredClone({ lock, revision: (before?.revision ?? 0) + 1 }));
      else locks.delete(model);
      return true;
    },
  };
}

/** Executions in memory; `started` has the input of each by name. */
export function memoryExecutions() {
  const executions = new Map<string, Execution>();
  const started = new Map<string, Record<string, unknown>>();
  const arnOf = (name: string) =>
    `arn:aws:states:us-east-1:000000000000:execution:pipeline:${name}`;
  const port: Executions = {
    arnOf,
    async start(name, input) {
      if (executions.has(name)) return;
      executions.set(name, { executionArn: arnOf(name), status: 'RUNNING' });
      started.set(name, { ...input });
    },
    find: async (name) => executions.get(name),
  };
  return {
    port,
    started,
    running: () =>
      [...executions].flatMap(([name, { status }]) => (status === 'RUNNING' ? [name] : [])),
    end(name: string, status: Execution['status']) {
      executions.set(name, { executionArn: arnOf(name), status });
    },
  };
}

/** Runs in memory, by id. */
export function memoryRuns() {
  const runs = new Map<string, Run>();
  const port: RunRecords = {
    async putRun(run) {
      if (!runs.has(run.runId)) runs.set(run.runId, structuredClone(run));
    },
    async finishRun(model, runId, { reasons = [], ...end }) {
      const run = runs.get(runId);
      if (!run) throw new RunNotFoundError(model, runId);
      if (run.status !== 'RUNNING') return false;
      runs.set(runId, { ...run, ...end, reasons: [...reasons] });
      return true;
    },
  };
  return { port, runs };
}
