import { type ImportInput, planImport } from '../../core/training/import-plan.ts';
import {
  deliveredVersions,
  type TrainingPlan,
  trainingDecision,
} from '../../core/training/training-plan.ts';
import type { PlanRecords } from './plan-training.ts';

/** Plans the conversion of a file, and whether it was done before. */
export async function decideImport(
  { ledger, registry }: Pick<PlanRecords, 'ledger' | 'registry'>,
  input: ImportInput,
): Promise<TrainingPlan> {
  const { definition, runId } = input;
  const { name: model } = definition;
  const plan = planImport(input);
  const { trainingId, trainingJobName } = plan;
  const known = await registry.findTraining(model, trainingId);
  const delivered = deliveredVersions(await ledger.entries(model), definition.delivery.approval);
  const decision = trainingDecision(known, delivered);
  await registry.annotateRun(model, runId, {
    trainingId,
    ...(decision === 'train' && { trainingJobName }),
  });
  return { decision, reasons: [], isFresh: true, ...plan };
}
