import { expect, it } from 'vitest';
import type { TrainingJobs } from '../../core/training/retraining-control.ts';
import { emptyState, type RetrainingStore } from '../../core/training/retraining-state.ts';

/** What every store of retraining states does, in memory or not. */
export function retrainingStoreContract(store: () => RetrainingStore): void {
  it('keeps a state per model, as it was put', async () => {
    const states = store();
    const state = {
      ...emptyState('state-alone'),
      collected: { trainingId: 'a', rows: 3, runId: 'r1' },
      heard: { 'features-drifted': '2026-03-01T00:00:00.000Z' },
    };
    expect(await states.read('state-alone')).toBeUndefined();
    expect(await states.replace('state-alone', undefined, state)).toBe(true);
    expect((await states.read('state-alone'))?.state).toEqual(state);
    expect(await states.read('state-other')).toBeUndefined();
  });

  it('lets one of many change it at the same time', async () => {
    const states = store();
    const model = 'state-wanted';
    const asked = async () => {
      const read = await states.read(model);
      const changes = Array.from({ length: 6 }, (_, rows) =>
        states.replace(model, read, {
          ...emptyState(model),
          collected: { trainingId: 'a', rows, runId: 'r1' },
        }),
      );
      return (await Promise.all(changes)).filter(Boolean);
    };
    expect(await asked()).toHaveLength(1);
    expect(await asked()).toHaveLength(1);
  });

  it('refuses a change of what was changed since it was read', async () => {
    const states = store();
    const model = 'state-changed';
    await states.replace(model, undefined, emptyState(model));
    const read = await states.read(model);
    expect(await states.replace(model, read, emptyState(model))).toBe(true);
    expect(await states.replace(model, read, emptyState(model))).toBe(false);
    expect(await states.replace(model, undefined, emptyState(model))).toBe(false);
  });
}

/** A job that trains until it is told to end. */
export interface TrainingJobsOnTrial {
  readonly jobs: TrainingJobs;
  start(trainingJobName: string): Promise<void>;
  end(trainingJobName: string): Promise<void>;
}

/** What everybody knows of training jobs who can say what they cost. */
export function trainingJobsContract(trial: () => Promise<TrainingJobsOnTrial>): void {
  it('bills nothing of a job that there is not', async () => {
    const { jobs } = await trial();
    expect(await jobs.billableSeconds('no-such-job')).toBe(0);
  });

  it('knows what a job is billed when it has ended, and not before', async () => {
    const { end, jobs, start } = await trial();
    await start('costs');
    expect(await jobs.billableSeconds('costs')).toBeUndefined();
    await end('costs');
    expect(await jobs.billableSeconds('costs')).toBeGreaterThan(0);
  });
}
