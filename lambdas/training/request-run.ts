import type { z } from 'zod';
import {
  type RunAnswer,
  type RunControl,
  requestRun,
  retryRun,
} from '../../core/training/run-control.ts';
import { trainingJobName } from '../../core/training/training-plan.ts';
import { newRunId } from './connect-run-control.ts';
import type { RequestRunEvent } from './request-run.contract.ts';

/** Takes a drop, a person's wish or a retry to the one starter. */
export function takeRequest(
  control: RunControl,
  quietSeconds: number,
  event: z.infer<typeof RequestRunEvent>,
): Promise<RunAnswer> {
  const runId = newRunId(control.model);
  if (event.kind === 'retry') {
    const { by, from, input } = event;
    const trigger = { kind: 'retry', by } as const;
    return retryRun(control, {
      runId,
      trigger,
      input: { ...withOwnJobName(input, control.model, runId), from },
    });
  }
  const drop = event.kind === 'drop';
  return requestRun(control, {
    runId,
    trigger: { kind: event.kind, by: drop ? event.key : event.by },
    settled: !drop && event.settled,
    quietSeconds,
  });
}

/** A run that is to train again needs a new job: SageMaker takes no name twice. */
function withOwnJobName(
  input: Readonly<Record<string, unknown>>,
  model: string,
  runId: string,
): Record<string, unknown> {
  const plan = input['plan'] as { trainingId?: unknown } | undefined;
  if (typeof plan?.trainingId !== 'string' || 'train' in input) return { ...input };
  return {
    ...input,
    plan: { ...plan, trainingJobName: trainingJobName(model, plan.trainingId, runId) },
  };
}
