import type { z } from 'zod';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import type { Notifications } from '../../adapters/sns-notifications.ts';
import type { TrainingRecord } from '../../core/registry/records.ts';
import { endRun, type RunControl } from '../../core/training/run-control.ts';
import { trainingPrefixes } from '../../core/training/training-plan.ts';
import type { FinishRunEvent, FinishRunResult } from './finish-run.contract.ts';

export interface FinishRunParts {
  readonly control: RunControl;
  readonly registry: DynamodbRegistry;
  readonly artifacts: S3Objects;
  readonly notifications: Notifications;
}
type Finished = z.infer<typeof FinishRunEvent>;

/**
 * Each part can be repeated, and the lock is freed after all that the run leaves behind is in order:
 * whoever is killed in between finds the same end when it is done again.
 */
export async function finishRun(
  { control, registry, artifacts, notifications }: FinishRunParts,
  event: Finished,
): Promise<z.infer<typeof FinishRunResult>> {
  const { model } = control;
  const { runId, outcome } = event;
  const trainingId = event.trainingId ?? (await registry.getRun(model, runId)).trainingId;
  if (outcome === 'rejected' && trainingId !== undefined) {
    await registry.recordRejection(model, trainingId, event.reasons);
  }
  const known =
    trainingId === undefined ? undefined : await registry.findTraining(model, trainingId);
  const reasons = outcome === 'unchanged' ? unchangedReasons(known) : event.reasons;
  await registry.finishRun(model, runId, {
    status: 'SUCCEEDED',
    outcome,
    reasons,
    finishedAt: control.now(),
    trainingId,
    version: event.version,
  });
  // An unfinished training keeps its checkpoints for the next attempt at it.
  if (trainingId !== undefined && known) {
    for (const prefix of Object.values(trainingPrefixes(model, trainingId))) {
      await artifacts.removePrefix(prefix);
    }
  }
  await control.ended(runId);
  const nextRunId = await endRun(control, runId);
  const news = newsOf(model, { ...event, reasons });
  if (news) await notifications.publish({ ...news, model, runId, severity: 'news' });
  return { outcome, ...(nextRunId !== undefined && { nextRunId }) };
}

function unchangedReasons(known: TrainingRecord | undefined): string[] {
  if (known?.outcome === 'registered') {
    return [`the same data, code and hyperparameters are version ${known.version}`];
  }
  if (known?.outcome === 'rejected') {
    return ['the same data, code and hyperparameters were rejected before', ...known.reasons];
  }
  return [];
}

/** What people want to hear of; quarantined files were told of when they were put there. */
function newsOf(model: string, { runId, outcome, version, reasons }: Finished) {
  if (outcome === 'live') {
    return {
      kind: 'run-live',
      subject: `${model}: version ${version} is live`,
      text: `Run ${runId} registered version ${version} of ${model}, and it answers now.`,
    };
  }
  if (outcome === 'awaiting_approval') {
    return {
      kind: 'run-awaiting-approval',
      subject: `${model}: version ${version} waits for approval`,
      text: [
        `Run ${runId} registered version ${version} of ${model}; it passed its gate and answers when somebody approves it.`,
        ...reasons.map((reason) => `- ${reason}`),
        `slipway lineage ${model} ${version}`,
        `slipway approve ${model} ${version}`,
        `slipway reject ${model} ${version} --reason "..."`,
      ].join('\n'),
    };
  }
  if (outcome !== 'rejected') return undefined;
  return {
    kind: 'run-rejected',
    subject: `${model}: the candidate was rejected`,
    text: [`The candidate of run ${runId} did not pass the gate:`, ...reasons].join('\n- '),
  };
}
