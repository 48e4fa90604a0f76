import * as z from 'zod';
import { hashOf } from '../../canonical-json.ts';
import { Sha256 } from '../../datasets/snapshot.ts';
import { InvalidDocumentError } from '../../parse-document.ts';

/** An object as it was when it was read or written. */
const Content = z.strictObject({ key: z.string(), sha256: Sha256, bytes: z.int().nonnegative() });
export type Content = z.infer<typeof Content>;

/** Rows of the file, from 1 on; both ends belong to it. */
const ShardRange = z.strictObject({ first: z.int().positive(), last: z.int().positive() });
export type ShardRange = z.infer<typeof ShardRange>;

/** plan.json: what a batch is. Whoever goes on with it, or does it again, does this. */
export const BatchPlan = z.strictObject({
  batchId: z.string(),
  model: z.string(),
  /** The one version that answers all rows, whatever goes live meanwhile. */
  version: z.int().positive(),
  /** The hashes of what turns its rows into answers. */
  modelSha256: Sha256,
  featuresSha256: Sha256,
  input: Content.safeExtend({ versionId: z.string() }),
  /** Of an input that is text: its rows, read and typed once. Parquet is read as it is. */
  typedRows: Content.nullable(),
  rows: z.int().nonnegative(),
  shards: z.array(ShardRange),
  /** ISO 8601, UTC; part of the predictions' ids. */
  plannedAt: z.string(),
});
export type BatchPlan = z.infer<typeof BatchPlan>;

/** receipts/<shard>.json, written last: the shard is done, and these are its files. */
export const ShardReceipt = z.strictObject({
  shard: z.int().nonnegative(),
  /** Of the input: each was scored or is among the errors. */
  rows: z.int().nonnegative(),
  scored: z.int().nonnegative(),
  errors: z.int().nonnegative(),
  /** null where no row could be scored. */
  predictions: Content.nullable(),
  /** null where nothing is wrong. */
  rowErrors: Content.nullable(),
  seconds: z.number().nonnegative(),
});
export type ShardReceipt = z.infer<typeof ShardReceipt>;

/** A line of errors-<shard>.jsonl: values of sensitive columns are not in it. */
export const RowErrors = z.strictObject({
  row: z.int().positive(),
  problems: z.array(z.string()).min(1),
});
export type RowErrors = z.infer<typeof RowErrors>;

/** manifest.json, written when all of a batch is there. */
export const BatchManifest = BatchPlan.omit({ shards: true, typedRows: true }).safeExtend({
  finishedAt: z.string(),
  scored: z.int().nonnegative(),
  errors: z.int().nonnegative(),
  /** From the plan to the manifest, whatever came between. */
  wallSeconds: z.number().nonnegative(),
  /** Of the functions that scored, all together. */
  scoringSeconds: z.number().nonnegative(),
  rowsPerSecond: z.number().nonnegative(),
  shards: z.array(ShardReceipt.safeExtend({ first: z.int(), last: z.int() })),
});
export type BatchManifest = z.infer<typeof BatchManifest>;

/** What is dropped here is scored. */
export const batchDropPrefix = (model: string): string => `batch/${model}/`;
/** What the command line was given, by content: nothing starts by itself. */
export const batchUploadPrefix = (model: string): string => `batch-files/${model}/`;
/** No function that writes here may write where a drop starts a batch. */
export const batchResultsPrefix = (model: string): string => `batch-predictions/${model}/`;

export const batchUploadKey = (model: string, sha256: string, name: string): string =>
  `${batchUploadPrefix(model)}${sha256.slice(0, 16)}/${name}`;

/** What people call the file: its key without the place it lies in. @throws InvalidDocumentError */
export function batchInputName(model: string, key: string): string {
  const [drops, uploads] = [batchDropPrefix(model), batchUploadPrefix(model)];
  if (key.startsWith(drops)) return key.slice(drops.length);
  const uploaded = /^[0-9a-f]{16}\/(.+)$/.exec(key.slice(uploads.length))?.[1];
  if (key.startsWith(uploads) && uploaded !== undefined) return uploaded;
  throw new InvalidDocumentError('the batch', [
    `key: put the file under ${drops} (received ${key.slice(0, 200)})`,
  ]);
}

/** The same rows for the same version are the same batch, however often they are dropped. */
export const batchIdOf = (
  batch: Pick<BatchPlan, 'model' | 'version' | 'modelSha256' | 'featuresSha256'> & {
    readonly input: Pick<Content, 'key' | 'sha256'>;
  },
): string => {
  const { model, version, modelSha256, featuresSha256 } = batch;
  const { key, sha256 } = batch.input;
  const identity = { model, version, modelSha256, featuresSha256, key, sha256, format: 1 };
  return hashOf(identity).slice(0, 16);
};

const five = (shard: number): string => String(shard).padStart(5, '0');

/** Where a batch's files lie, by the prefix that its functions hand each other. */
export const batchKeys = (prefix: string) => ({
  plan: `${prefix}plan.json`,
  manifest: `${prefix}manifest.json`,
  typedRows: `${prefix}work/rows.parquet`,
  receipts: `${prefix}receipts/`,
  receipt: (shard: number) => `${prefix}receipts/${five(shard)}.json`,
  predictions: (shard: number) => `${prefix}part-${five(shard)}.parquet`,
  errors: (shard: number) => `${prefix}errors-${five(shard)}.jsonl`,
});

export const batchPrefix = (model: string, key: string, batchId: string): string =>
  `${batchResultsPrefix(model)}${batchInputName(model, key)}/${batchId}/`;

/** The batch of its file that was finished last: the same as its manifest. */
export const latestManifestKey = (prefix: string): string =>
  `${prefix.replace(/[^/]+\/$/, '')}latest.json`;

const usualRows = 100_000;
/** One execution's history has 25,000 events, of which a shard takes eight and some for its retries. */
const mostShards = 1_000;
/** A prediction's id has six digits for its row. */
const mostRows = 1_000_000;

/** The largest file that a batch takes, in rows. */
export const mostBatchRows = mostShards * mostRows;

/** Cuts rows 1 to `last` into shards that are about equal. @throws RangeError */
export function cutShards(last: number, rows = usualRows): ShardRange[] {
  if (last > mostBatchRows) throw new RangeError(`${last} rows are more than ${mostBatchRows}`);
  const shards = Math.max(1, Math.min(Math.ceil(last / rows), mostShards));
  const size = Math.ceil(last / shards);
  return Array.from({ length: shards }, (_, i) => ({
    first: i * size + 1,
    last: Math.min((i + 1) * size, last),
  })).filter(({ first, last: end }) => first <= end);
}
