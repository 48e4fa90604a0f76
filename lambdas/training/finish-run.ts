import type * as z from 'zod';
import type { DynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { removeEndpoints } from '../../adapters/model-endpoints.ts';
import type { SagemakerEndpoints } from '../../adapters/sagemaker-endpoints.ts';
import type { Notifications } from '../../adapters/sns-notifications.ts';
import { versionsWithEndpoint } from '../../core/delivery/kept-endpoints.ts';
import type { RetrainingStore } from '../../core/training/retraining-state.ts';
import { endRun, type RunControl } from '../../core/training/run-control.ts';
import { lastingDrift, newsOf, unchangedReasons } from '../../core/training/run-news.ts';
import { trainingPrefixes } from '../../core/training/training-plan.ts';
import type { FinishRunEvent, FinishRunResult } from './finish-run.contract.ts';
import { recordVerdict, type VerdictPlace } from './record-verdict.ts';

export interface FinishRunParts extends Omit<VerdictPlace, 'now'> {
  readonly control: RunControl;
  readonly registry: DynamodbRegistry;
  readonly ledger: DynamodbLedger;
  readonly endpoints: Pick<SagemakerEndpoints, 'remove'>;
  readonly notifications: Notifications;
  /** What the retraining policy remembers. */
  readonly store: Pick<RetrainingStore, 'read'>;
}
type Finished = z.infer<typeof FinishRunEvent>;

/** What the gate said of the run's candidate; undefined where the run did not come to it. */
async function verdictOn(
  parts: FinishRunParts,
  { evaluationKey, runId, version }: Finished,
  trainingId: string | undefined,
) {
  if (evaluationKey === undefined || trainingId === undefined) return undefined;
  const { model, now } = parts.control;
  const judged = { model, runId, trainingId, evaluationKey, version: version ?? null };
  return recordVerdict({ ...parts, now }, judged);
}

/** More rejections than these since an alarm began make no difference. */
const runsLookedAt = 50;

async function lastingOf({ control: { model }, registry, store }: FinishRunParts) {
  const wishes = (await store.read(model))?.state.retrainWanted ?? [];
  return lastingDrift(wishes, await registry.listRuns(model, runsLookedAt));
}

/** Endpoints of candidates that did not become versions, of refused ones, and of versions long gone. */
async function removeOldEndpoints(parts: FinishRunParts): Promise<void> {
  const { artifacts, control, endpoints, ledger, registry } = parts;
  const { model } = control;
  const [head, entries] = await Promise.all([ledger.head(model), ledger.entries(model)]);
  const versions = await Promise.all(
    versionsWithEndpoint({ head, entries }).map((version) => registry.getVersion(model, version)),
  );
  const kept = versions.flatMap(({ endpointName }) => endpointName ?? []);
  await removeEndpoints({ artifacts, endpoints }, model, new Set(kept));
}

/**
 * Each part can be repeated, and the lock is freed after all that the run leaves behind is in order:
 * whoever is killed in between finds the same end when it is done again.
 */
export async function finishRun(
  parts: FinishRunParts,
  event: Finished,
): Promise<z.infer<typeof FinishRunResult>> {
  const { control, registry, artifacts, notifications } = parts;
  const { model } = control;
  const { runId, outcome } = event;
  const trainingId = event.trainingId ?? (await registry.getRun(model, runId)).trainingId;
  const verdict = await verdictOn(parts, event, trainingId);
  if (outcome === 'rejected' && trainingId !== undefined && event.version === undefined) {
    await registry.recordRejection(model, trainingId, event.reasons);
  }
  const known =
    trainingId === undefined ? undefined : await registry.findTraining(model, trainingId);
  const reasons = outcome === 'unchanged' ? unchangedReasons(known, event.imported) : event.reasons;
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
  await removeOldEndpoints(parts);
  await control.ended(runId);
  const nextRunId = await endRun(control, runId);
  const lasting = outcome === 'rejected' ? await lastingOf(parts) : undefined;
  const news = newsOf({ ...event, model, reasons, verdict, lasting });
  if (news) await notifications.publish({ ...news, model, runId });
  return { outcome, ...(nextRunId !== undefined && { nextRunId }) };
}
