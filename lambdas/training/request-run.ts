import type * as z from 'zod';
import type { ModelImport } from '../../core/registry/declared-lineage.ts';
import { importJobName } from '../../core/training/import-plan.ts';
import {
  hearAlarm,
  lookAgain,
  type RetrainingControl,
  retryWithinBudget,
} from '../../core/training/retraining-control.ts';
import { requestRun } from '../../core/training/run-control.ts';
import { trainingJobName } from '../../core/training/training-plan.ts';
import { newRunId } from './connect-run-control.ts';
import type { RequestRunEvent, RequestRunResult } from './request-run.contract.ts';

type Request = z.infer<typeof RequestRunEvent>;
type Of<Kind extends Request['kind']> = Extract<Request, { kind: Kind }>;

/** Takes whatever asks for a run to the one starter. */
export async function takeRequest(
  retraining: RetrainingControl,
  quietSeconds: number,
  event: Exclude<z.input<typeof RequestRunEvent>, { kind: 'import' }>,
): Promise<z.infer<typeof RequestRunResult>> {
  const { control } = retraining;
  const runId = newRunId(control.model);
  switch (event.kind) {
    case 'alarm':
      return mutable(await hearAlarm(retraining, event, runId));
    case 'tick':
      return mutable(await lookAgain(retraining, runId));
    case 'retry':
      return mutable(await retry(retraining, runId, event));
    default: {
      const drop = event.kind === 'drop';
      const answer = await requestRun(control, {
        runId,
        trigger: { kind: event.kind, by: drop ? (event.by ?? event.key) : event.by },
        settled: event.settled ?? !drop,
        quietSeconds,
      });
      return { ...answer, reasons: [] };
    }
  }
}

const mutable = <Answer extends { readonly reasons: readonly string[] }>(answer: Answer) => ({
  ...answer,
  reasons: [...answer.reasons],
});

/** A run that is to train again needs a new job: SageMaker takes no name twice. */
function retry(retraining: RetrainingControl, runId: string, { by, from, input }: Of<'retry'>) {
  const { model } = retraining.control;
  const plan = input['plan'] as { trainingId?: unknown; decision?: unknown } | undefined;
  const trains = typeof plan?.trainingId === 'string' && !('train' in input);
  const jobName = trains ? trainingJobName(model, String(plan.trainingId), runId) : undefined;
  // An import that was not planned yet is planned with this name, and nothing else sets money aside for it.
  const file = plan ? undefined : (input['import'] as ModelImport | undefined);
  const request = {
    runId,
    trigger: { kind: 'retry', by } as const,
    input: {
      ...input,
      ...(trains && { plan: { ...plan, trainingJobName: jobName } }),
      from,
    },
  };
  if (file) return retryWithinBudget(retraining, request, importJobName(model, file, runId));
  const costs = trains && plan.decision === 'train';
  return retryWithinBudget(retraining, request, costs ? jobName : undefined);
}
