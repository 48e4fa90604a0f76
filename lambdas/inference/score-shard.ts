import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { link } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { type BatchShard, batchShard } from '../../adapters/duckdb-batch-rows.ts';
import { withDuckdb } from '../../adapters/duckdb-database.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import {
  type BatchPlan,
  batchKeys,
  type Content,
  ShardReceipt,
} from '../../core/inference/files/batch-documents.ts';
import { sortableId } from '../../core/inference/log/prediction-id.ts';
import { checkPredictions } from '../../core/inference/predict.ts';
import type { LoadedVersion } from '../../core/inference/versions/loaded-version.ts';
import { parseDocument } from '../../core/parse-document.ts';

type Store = Pick<S3Objects, 'find' | 'getJson' | 'hash' | 'putJson' | 'upload'>;

export interface ScoringPlace {
  readonly data: Store;
  /** A verified version, ready to run; loaded once. */
  version(plan: BatchPlan): Promise<LoadedVersion>;
  /** The file that the plan's rows are in, on this disk. */
  rowsFile(plan: BatchPlan): Promise<string>;
  readonly memoryMb?: number;
}

// With two for a few row groups, a tenth of the processor's time went into keeping them apart.
const databaseThreads = 1;

/** The same ids whenever the shard is scored: a batch that goes on writes the same bytes. */
function idPrefixOf({ batchId, model, plannedAt, version }: BatchPlan, shard: number): string {
  const random = createHash('sha256').update(`${batchId}/${shard}`).digest().subarray(0, 10);
  return `${model}-v${version}-${sortableId(Date.parse(plannedAt), random)}`;
}

async function isThere(data: Store, content: Content | null): Promise<boolean> {
  if (content === null) return true;
  if ((await data.find(content.key))?.bytes !== content.bytes) return false;
  return (await data.hash(content.key)).sha256 === content.sha256;
}

/** What an earlier attempt wrote, where all of it is still as it was written. */
async function doneBefore(data: Store, key: string): Promise<ShardReceipt | undefined> {
  if (!(await data.find(key))) return undefined;
  const receipt = parseDocument(ShardReceipt, await data.getJson(key), key);
  const whole =
    (await isThere(data, receipt.predictions)) && (await isThere(data, receipt.rowErrors));
  return whole ? receipt : undefined;
}

async function scoreRows(shard: BatchShard, version: LoadedVersion): Promise<number> {
  let scored = 0;
  for await (const rows of shard.rows()) {
    const { predictions, details } = await version.session.run(rows.input);
    checkPredictions(predictions, rows.input.rows, version);
    shard.append(rows, predictions, details);
    scored += rows.input.rows;
  }
  return scored;
}

/** Writes what is wrong with the rows that were not scored. */
async function writeErrors(shard: BatchShard, path: string): Promise<number> {
  let errors = 0;
  const lines = async function* () {
    for await (const error of shard.errors()) {
      errors += 1;
      yield `${JSON.stringify(error)}\n`;
    }
  };
  await pipeline(Readable.from(lines()), createWriteStream(path));
  return errors;
}

/**
 * Scores one shard of a batch unless that was done before: reads its rows, has the version answer those that
 * are as the endpoint would take them, and writes predictions and errors, the receipt last.
 */
export async function scoreShard(
  place: ScoringPlace,
  plan: BatchPlan,
  prefix: string,
  number: number,
): Promise<ShardReceipt> {
  const { data } = place;
  const keys = batchKeys(prefix);
  const before = await doneBefore(data, keys.receipt(number));
  if (before) return before;
  const range = plan.shards[number];
  if (!range) throw new RangeError(`batch ${plan.batchId} has no shard ${number}`);
  const startedAt = performance.now();
  const [version, rowsFile] = [await place.version(plan), await place.rowsFile(plan)];
  return withDuckdb(
    async (database) => {
      // A database reads nothing outside its folder; another name for the file is no copy.
      const path = join(database.folder, 'rows.parquet');
      await link(rowsFile, path);
      const file = { path, isTyped: plan.typedRows !== null };
      const shard = await batchShard(database, file, range, version);
      const scored = await scoreRows(shard, version);
      const written = await shard.finish(version.version, idPrefixOf(plan, number));
      const errorsPath = join(database.folder, 'errors.jsonl');
      const errors = await writeErrors(shard, errorsPath);
      const kept = async (count: number, file: string, key: string) =>
        count > 0 ? { key, ...(await data.upload(file, key)) } : null;
      const receipt: ShardReceipt = {
        shard: number,
        rows: scored + errors,
        scored,
        errors,
        predictions: await kept(scored, written, keys.predictions(number)),
        rowErrors: await kept(errors, errorsPath, keys.errors(number)),
        seconds: Math.round(performance.now() - startedAt) / 1_000,
      };
      await data.putJson(keys.receipt(number), receipt);
      return receipt;
    },
    place.memoryMb,
    databaseThreads,
  );
}
