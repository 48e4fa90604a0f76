import type { DynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import {
  deliveredVersions,
  type PlanInput,
  planTraining,
  type TrainingPlan,
  trainingDecision,
} from '../../core/training/training-plan.ts';

/** Plans the training of a snapshot, and decides whether it was done before. */
export async function decideTraining(
  { registry, ledger }: { readonly registry: DynamodbRegistry; readonly ledger: DynamodbLedger },
  input: PlanInput,
): Promise<TrainingPlan> {
  const plan = planTraining(input);
  const model = input.definition.name;
  const known = await registry.findTraining(model, plan.trainingId);
  const entries = await ledger.entries(model);
  const delivered = deliveredVersions(entries, input.definition.delivery.approval);
  const decision = trainingDecision(known, delivered);
  const { trainingId, trainingJobName } = plan;
  await registry.annotateRun(model, input.runId, {
    trainingId,
    ...(decision === 'train' && { trainingJobName }),
  });
  return { decision, ...plan };
}
