import type * as z from 'zod';
import type { Notifications } from '../../adapters/sns-notifications.ts';
import { type RunControl, releaseRun } from '../../core/training/run-control.ts';
import type { ReleaseRunEvent } from './release-run.contract.ts';

type Broken = z.infer<typeof ReleaseRunEvent>['detail'];

/** Records and tells why an execution broke, frees its lock and starts the run that waits. */
export async function releaseBrokenRun(
  {
    control,
    notifications,
  }: { readonly control: RunControl; readonly notifications: Notifications },
  { detail }: { readonly detail: Broken },
): Promise<{ nextRunId?: string }> {
  const { name: runId, status } = detail;
  const { error, cause } = await causeOf(control, detail);
  const released = await releaseRun(control, { runId, status, error, cause });
  if (!released) return {};
  const { model } = control;
  await notifications.publish({
    model,
    runId,
    kind: 'run-failed',
    severity: 'page',
    subject: `${model}: run ${runId} ${words[status]}`,
    text: [
      `Run ${runId} of ${model} ${words[status]}. What was live stays live.`,
      ...released.reasons,
      `\`slipway logs ${runId}\` shows all of it; \`slipway retry ${runId}\` goes on where it broke.`,
    ].join('\n'),
  });
  const { nextRunId } = released;
  return nextRunId === undefined ? {} : { nextRunId };
}

const words = { FAILED: 'failed', TIMED_OUT: 'timed out', ABORTED: 'was stopped' } as const;

/** The event carries them, unless they are too large for it. */
async function causeOf(control: RunControl, { name, error, cause }: Broken) {
  if (error || cause) return { error, cause };
  return (await control.executions.find(name)) ?? {};
}
