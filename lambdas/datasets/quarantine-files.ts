import * as z from 'zod';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import type { Notifications } from '../../adapters/sns-notifications.ts';
import {
  invalidFilesOf,
  quarantineKey,
  quarantineMessage,
} from '../../core/datasets/quarantine.ts';
import { ValidationReport } from '../../core/datasets/validation-report.ts';
import { parseDocument } from '../../core/parse-document.ts';
import type { QuarantineFilesEvent, QuarantineFilesResult } from './quarantine-files.contract.ts';

interface Deps {
  readonly data: S3Objects;
  readonly notifications: Notifications;
}
type Event = z.infer<typeof QuarantineFilesEvent>;

/** Whether people were told; sending: an attempt began and did not live to say how it ended. */
const Told = z.strictObject({ state: z.enum(['sending', 'sent', 'failed']) });

/**
 * Tells people once. SNS has no way to send a message exactly once: it is marked beforehand and not sent
 * again where the mark was left behind by an attempt that was killed, so that nobody is told twice; the
 * report and the run's outcome are there in any case. A refusal by SNS is marked, and tried again.
 */
async function tellOnce({ data, notifications }: Deps, report: ValidationReport, event: Event) {
  const { model, snapshotId } = report;
  const markKey = `reports/${model}/quarantine/${event.runId}/${snapshotId}.json`;
  const mark = (state: z.infer<typeof Told>['state']) => data.putJson(markKey, { state });
  if (await data.find(markKey)) {
    const { state } = parseDocument(Told, await data.getJson(markKey), markKey);
    if (state !== 'failed') return;
  }
  await mark('sending');
  const { runId, reportKey } = event;
  const message = quarantineMessage(report, { bucket: data.bucket, reportKey, runId });
  try {
    await notifications.publish({
      ...message,
      model,
      runId,
      kind: 'files-quarantined',
      severity: 'news',
    });
  } catch (error) {
    await mark('failed');
    throw error;
  }
  await mark('sent');
}

/**
 * Moves a report's invalid files out of landing. Each step finds out what is done already, and a file
 * leaves landing last, so that a run that was cut off anywhere ends in the same state when it is repeated.
 */
export async function quarantineFiles(
  deps: Deps,
  event: Event,
): Promise<z.infer<typeof QuarantineFilesResult>> {
  const { data } = deps;
  const { reportKey } = event;
  const report = parseDocument(ValidationReport, await data.getJson(reportKey), reportKey);
  const files = invalidFilesOf(report);
  for (const file of files) {
    const target = quarantineKey(report.model, file);
    if (!(await data.find(target))) await data.copy(file, target);
  }
  if (files.length > 0) await tellOnce(deps, report, event);
  for (const file of files) {
    const current = await data.find(file.key);
    // Another version has been dropped in the meantime: it has a right to be looked at.
    if (current?.versionId === file.versionId) await data.removeUnchanged(current);
  }
  return { quarantined: files.length, reportKey };
}
