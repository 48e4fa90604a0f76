import type * as z from 'zod';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import type { ModelImport } from '../../core/registry/declared-lineage.ts';
import { importJobName, malformedImport, unfitForImport } from '../../core/training/import-plan.ts';
import {
  type RetrainingControl,
  retryWithinBudget,
} from '../../core/training/retraining-control.ts';
import { newRunId } from './connect-run-control.ts';
import type { RequestRunResult } from './request-run.contract.ts';

export interface ImportRules {
  readonly definition: ModelDefinition;
  /** Why the environment takes no imports; undefined where it does. */
  readonly refusal: string | undefined;
}

/**
 * Starts a run for a file that somebody brought along. It waits for no drop, so that it enters where data is
 * looked at, and what its job may cost is set aside first.
 */
export async function takeImport(
  retraining: RetrainingControl,
  { definition, refusal }: ImportRules,
  file: ModelImport,
): Promise<z.infer<typeof RequestRunResult>> {
  const { model } = retraining.control;
  const against = [refusal, malformedImport(model, file), unfitForImport(definition)];
  const reasons = against.filter((reason) => reason !== undefined);
  if (reasons.length > 0) return { outcome: 'refused', reasons };
  const runId = newRunId(model);
  const answer = await retryWithinBudget(
    retraining,
    {
      runId,
      trigger: { kind: 'import', by: file.by },
      input: { import: file, from: 'TakeSnapshot' },
    },
    importJobName(model, file, runId),
  );
  return { ...answer, reasons: [...answer.reasons] };
}
