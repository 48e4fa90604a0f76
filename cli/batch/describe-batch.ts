import type { BatchManifest, BatchPlan } from '../../core/inference/files/batch-documents.ts';
import { styled } from '../terminal.ts';

/** What became of a file. */
export type EndedBatch =
  | { readonly outcome: 'refused'; readonly key: string; readonly reasons: readonly string[] }
  | {
      readonly outcome: 'done';
      readonly key: string;
      readonly prefix: string;
      readonly manifest: BatchManifest;
    };

export const counted = (value: number): string => Math.round(value).toLocaleString('en-US');

const timeLeft = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;

/**
 * Says how far a batch is: undefined where nothing has changed since. Shards that were there at the first
 * look count as done and not towards the speed.
 * @param startedAt in milliseconds of the same clock as each look
 */
export function batchProgress(
  { rows, shards }: Pick<BatchPlan, 'rows' | 'shards'>,
  startedAt: number,
) {
  const rowsOf = (done: readonly number[]) =>
    done.reduce((sum, shard) => {
      const range = shards[shard];
      return range ? sum + range.last - range.first + 1 : sum;
    }, 0);
  let before: number | undefined;
  let told = -1;
  return (done: readonly number[], now: number): string | undefined => {
    if (done.length === told) return undefined;
    told = done.length;
    const scored = Math.min(rowsOf(done), rows);
    before ??= scored;
    const perSecond = (scored - before) / Math.max((now - startedAt) / 1_000, 0.001);
    const speed =
      perSecond > 0 && scored < rows
        ? ` · ${counted(perSecond)} rows/s · ${timeLeft((rows - scored) / perSecond)} to go`
        : '';
    return `${done.length}/${shards.length} shards · ${counted(scored)} of ${counted(rows)} rows${speed}`;
  };
}

/** How a batch ended, for people. */
export function describeEnded(batch: EndedBatch, bucket: string): string[] {
  if (batch.outcome === 'refused') {
    return [
      `${batch.key}: ${styled('red', 'refused')}: no row of it can be scored`,
      ...batch.reasons.map((reason) => `  ${reason}`),
    ];
  }
  const { errors, rows, rowsPerSecond, scored, version, wallSeconds } = batch.manifest;
  return [
    `${batch.key}: ${styled('green', counted(scored))} of ${counted(rows)} rows scored by version ${version} in ${wallSeconds} s (${counted(rowsPerSecond)} rows/s)`,
    ...(errors > 0
      ? [`  ${styled('yellow', counted(errors))} rows could not be scored; errors-….jsonl say why`]
      : []),
    `  s3://${bucket}/${batch.prefix}`,
  ];
}
