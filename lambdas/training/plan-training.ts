import type { DynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { planRun } from '../../core/training/retraining-control.ts';
import { retrainingPolicy } from '../../core/training/retraining-policy.ts';
import type { RetrainingStore } from '../../core/training/retraining-state.ts';
import type { RunLockStore } from '../../core/training/run-control.ts';
import {
  deliveredVersions,
  type PlanInput,
  planTraining,
  type TrainingPlan,
  trainingDecision,
} from '../../core/training/training-plan.ts';
import { liveVersion } from './connect-run-control.ts';
import { retirementOf } from './refuse-retired.ts';

export interface PlanRecords {
  readonly registry: DynamodbRegistry;
  readonly ledger: DynamodbLedger;
  readonly store: RetrainingStore;
  readonly locks: RunLockStore;
  readonly now: () => string;
}

/** Plans the training of a snapshot; whether it was done before, and whether the policy lets it begin. */
export async function decideTraining(
  { registry, ledger, store, locks, now }: PlanRecords,
  input: PlanInput & { readonly rows: number },
): Promise<TrainingPlan> {
  const { rows, runId, definition } = input;
  const plan = planTraining(input);
  const { trainingId, trainingJobName } = plan;
  const model = definition.name;
  // The starter refuses a retired model's runs; one that waited for another to end begins all the same.
  const retired = await retirementOf(ledger, model);
  if (retired !== undefined) {
    await registry.annotateRun(model, runId, { trainingId });
    return { decision: 'collected', reasons: [retired], isFresh: true, ...plan };
  }
  const known = await registry.findTraining(model, trainingId);
  const entries = await ledger.entries(model);
  const delivered = deliveredVersions(entries, definition.delivery.approval);
  const { decision, reasons, isFresh } = await planRun(
    {
      control: { model, locks, now },
      store,
      policy: retrainingPolicy(definition),
      live: () => liveVersion(registry, ledger, model),
    },
    {
      runId,
      trainingJobName,
      data: { trainingId, rows },
      isKnown: trainingDecision(known, delivered) === 'unchanged',
    },
  );
  await registry.annotateRun(model, runId, {
    trainingId,
    ...(decision === 'train' && { trainingJobName }),
  });
  return { decision, reasons: [...reasons], isFresh, ...plan };
}
