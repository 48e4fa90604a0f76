import type { TrainingJobs } from '../../core/training/retraining-control.ts';
import type { HeldRetrainingState, RetrainingStore } from '../../core/training/retraining-state.ts';

/** Retraining states in memory, under the same contract as the table's. */
export function memoryRetrainingStates(): RetrainingStore {
  const states = new Map<string, HeldRetrainingState>();
  return {
    read: async (model) => structuredClone(states.get(model)),
    async replace(model, before, state) {
      if (states.get(model)?.revision !== before?.revision) return false;
      const revision = (before?.revision ?? 0) + 1;
      states.set(model, structuredClone({ state, revision }));
      return true;
    },
  };
}

/** Training jobs in memory: what is billed of each by name, undefined while it goes on. */
export function memoryTrainingJobs() {
  const billed = new Map<string, number | undefined>();
  const port: TrainingJobs = {
    billableSeconds: async (name) => (billed.has(name) ? billed.get(name) : 0),
  };
  return { port, billed };
}
