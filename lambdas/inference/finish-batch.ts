import type * as z from 'zod';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import type { Notifications } from '../../adapters/sns-notifications.ts';
import {
  BatchManifest,
  BatchPlan,
  batchKeys,
  latestManifestKey,
  ShardReceipt,
} from '../../core/inference/files/batch-documents.ts';
import { parseDocument } from '../../core/parse-document.ts';
import type { FinishBatchEvent, FinishBatchResult } from './finish-batch.contract.ts';

/** The shards of a batch do not have all of its rows. */
export class IncompleteBatchError extends Error {
  override readonly name = 'IncompleteBatchError';
}

export interface FinishingPlace {
  readonly model: string;
  readonly data: S3Objects;
  readonly notifications: Notifications;
  now(): Date;
}
type Event = z.infer<typeof FinishBatchEvent>;
type Result = z.infer<typeof FinishBatchResult>;

const readAtOnce = 50;

async function readReceipts(
  data: S3Objects,
  prefix: string,
  shards: number,
): Promise<ShardReceipt[]> {
  const receipts: ShardReceipt[] = [];
  for (let from = 0; from < shards; from += readAtOnce) {
    const some = Array.from({ length: Math.min(readAtOnce, shards - from) }, async (_, i) => {
      const key = batchKeys(prefix).receipt(from + i);
      return parseDocument(ShardReceipt, await data.getJson(key), key);
    });
    receipts.push(...(await Promise.all(some)));
  }
  return receipts;
}

const sum = (values: readonly number[]): number =>
  values.reduce((total, value) => total + value, 0);
const rounded = (value: number): number => Math.round(value * 1_000) / 1_000;

/** @throws IncompleteBatchError */
export function manifestOf(
  { shards: ranges, typedRows: _, ...plan }: BatchPlan,
  receipts: readonly ShardReceipt[],
  now: Date,
): BatchManifest {
  const rows = sum(receipts.map((receipt) => receipt.rows));
  if (receipts.length !== ranges.length || rows !== plan.rows) {
    throw new IncompleteBatchError(
      `batch ${plan.batchId} has ${rows} rows in ${receipts.length} shards and was planned with ${plan.rows} in ${ranges.length}; start it again`,
    );
  }
  const wallSeconds = (now.getTime() - Date.parse(plan.plannedAt)) / 1_000;
  return {
    ...plan,
    finishedAt: now.toISOString(),
    scored: sum(receipts.map(({ scored }) => scored)),
    errors: sum(receipts.map(({ errors }) => errors)),
    wallSeconds: rounded(wallSeconds),
    scoringSeconds: rounded(sum(receipts.map(({ seconds }) => seconds))),
    rowsPerSecond: wallSeconds > 0 ? Math.round(rows / wallSeconds) : 0,
    shards: receipts.map((receipt, i) => ({ ...receipt, ...(ranges[i] ?? { first: 0, last: 0 }) })),
  };
}

async function finish(
  { data, now }: FinishingPlace,
  prefix: string,
): Promise<{ readonly manifest: BatchManifest; readonly manifestKey: string }> {
  const keys = batchKeys(prefix);
  const plan = parseDocument(BatchPlan, await data.getJson(keys.plan), keys.plan);
  const receipts = await readReceipts(data, prefix, plan.shards.length);
  // Done again, it stays as it was.
  const before = (await data.find(keys.manifest))
    ? parseDocument(BatchManifest, await data.getJson(keys.manifest), keys.manifest)
    : undefined;
  const manifest = manifestOf(plan, receipts, before ? new Date(before.finishedAt) : now());
  await data.putJson(keys.manifest, manifest);
  await data.putJson(latestManifestKey(prefix), manifest);
  if (plan.typedRows) await data.remove(plan.typedRows.key);
  return { manifest, manifestKey: keys.manifest };
}

const failedWords = { FAILED: 'failed', TIMED_OUT: 'timed out', ABORTED: 'was stopped' } as const;

function keyIn(input: string | null | undefined): string {
  try {
    const { key } = JSON.parse(input ?? '') as { key?: unknown };
    return typeof key === 'string' ? key : 'a file';
  } catch {
    return 'a file';
  }
}

/** Ends a batch, however it ended: writes the manifest, and tells those who did not wait for it. */
export async function finishBatch(place: FinishingPlace, event: Event): Promise<Result> {
  const { data, model, notifications } = place;
  const tell = (kind: string, subject: string, lines: readonly string[]) =>
    notifications.publish({ model, kind, severity: 'news', subject, text: lines.join('\n') });
  if ('detail' in event) {
    const { cause, error, input, name, status } = event.detail;
    const key = keyIn(input);
    await tell('batch-failed', `${model}: a batch ${failedWords[status]}`, [
      `The batch of ${key} ${failedWords[status]} (execution ${name}).`,
      ...(error ? [`${error}: ${(cause ?? '').slice(0, 1_000)}`] : []),
      `What was scored is kept: \`slipway batch ${model} ${key}\` goes on with the rest.`,
    ]);
    return { outcome: 'failed' };
  }
  const wasDropped = event.trigger === 'drop';
  if ('reasons' in event) {
    const { key, reasons } = event;
    if (wasDropped) {
      await tell('batch-refused', `${model}: a file could not be scored`, [
        `No row of ${key} was scored:`,
        ...reasons.map((reason) => `  ${reason}`),
      ]);
    }
    return { outcome: 'refused', reasons };
  }
  const { manifest, manifestKey } = await finish(place, event.prefix);
  const { errors, rows, scored, version } = manifest;
  if (wasDropped) {
    const wrong = errors > 0 ? [`${errors} rows could not: errors-….jsonl there say why.`] : [];
    await tell('batch-done', `${model}: ${scored} rows were scored`, [
      `${scored} of ${rows} rows of ${event.key} were scored by version ${version}.`,
      ...wrong,
      `s3://${data.bucket}/${event.prefix}`,
    ]);
  }
  return { outcome: 'done', manifestKey, rows, scored, errors };
}
