import { join } from 'node:path';
import type * as z from 'zod';
import { readBatchFile } from '../../adapters/duckdb-batch-file.ts';
import { withDuckdb } from '../../adapters/duckdb-database.ts';
import type { DynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import type { DynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import type { S3Objects, StoredVersion } from '../../adapters/s3-objects.ts';
import { sha256 } from '../../core/canonical-json.ts';
import {
  BatchPlan,
  batchIdOf,
  batchInputName,
  batchKeys,
  batchPrefix,
  cutShards,
  mostBatchRows,
} from '../../core/inference/files/batch-documents.ts';
import { Signature } from '../../core/inference/signature.ts';
import { readVerified } from '../../core/inference/versions/load-version.ts';
import { InvalidDocumentError, parseDocument } from '../../core/parse-document.ts';
import { ModelVersionNotFoundError } from '../../core/registry/errors.ts';
import type { ModelVersion } from '../../core/registry/records.ts';
import type { PlanBatchEvent, PlanBatchResult } from './plan-batch.contract.ts';

export interface PlanningPlace {
  readonly model: string;
  readonly data: S3Objects;
  readonly artifacts: Pick<S3Objects, 'get'>;
  readonly ledger: Pick<DynamodbLedger, 'head'>;
  readonly registry: Pick<DynamodbRegistry, 'getVersion'>;
  accountConcurrency(): Promise<number>;
  /** Of a shard. @default as many as are worth a function's start */
  readonly rowsPerShard?: number;
  /** ISO 8601, UTC. */
  now(): string;
}
type Event = z.infer<typeof PlanBatchEvent>;
type Result = z.infer<typeof PlanBatchResult>;

/** Nothing can be scored, for a reason that whoever asked can mend. */
class RefusedBatch extends Error {
  readonly reasons: readonly string[];

  constructor(...reasons: string[]) {
    super(reasons.join('; '));
    this.reasons = reasons;
  }
}

/** A function's disk has 10 GB, and what is made of the file needs its part of them. */
const mostBytes = 4 * 1024 ** 3;

/** The endpoint answers beside it: of what the account may run, a batch leaves three quarters. */
const shareOfAccount = 0.25;
/** More an inline Map does not run. */
const mostAtOnce = 40;

async function versionFor(
  { ledger, model, registry }: PlanningPlace,
  asked: number | undefined,
): Promise<ModelVersion> {
  const head = await ledger.head(model);
  if (head.retired) throw new RefusedBatch(`${model} is retired; approve a version first`);
  const version = asked ?? head.live;
  if (version === undefined) {
    throw new RefusedBatch(`no version of ${model} is live; train one, or name one with --version`);
  }
  try {
    return await registry.getVersion(model, version);
  } catch (error) {
    if (error instanceof ModelVersionNotFoundError) throw new RefusedBatch(error.message);
    throw error;
  }
}

async function pinned(
  { data, model }: PlanningPlace,
  { key, versionId }: Event,
): Promise<Pick<StoredVersion, 'key' | 'versionId'>> {
  try {
    batchInputName(model, key);
  } catch (error) {
    if (error instanceof InvalidDocumentError) throw new RefusedBatch(...error.problems);
    throw error;
  }
  const found = await data.find(key);
  if (!found) throw new RefusedBatch(`there is no ${key}; drop the file again`);
  if (found.bytes > mostBytes) {
    throw new RefusedBatch(
      `${key} has ${found.bytes} bytes and a file may have ${mostBytes}; write it as several files`,
    );
  }
  return { key, versionId: versionId || found.versionId };
}

interface Planned {
  readonly plan: BatchPlan;
  readonly prefix: string;
}

/** What was planned before, where the rows that it goes by are still there. */
async function plannedBefore(data: S3Objects, key: string): Promise<BatchPlan | undefined> {
  if (!(await data.find(key))) return undefined;
  return parseDocument(BatchPlan, await data.getJson(key), key);
}

const stillThere = async (data: S3Objects, { typedRows }: BatchPlan): Promise<boolean> =>
  typedRows === null || (await data.find(typedRows.key))?.bytes === typedRows.bytes;

function plan(
  place: PlanningPlace,
  object: Pick<StoredVersion, 'key' | 'versionId'>,
  { version, signature }: { readonly version: ModelVersion; readonly signature: Signature },
): Promise<Planned> {
  const { data, model } = place;
  const { artifacts, endpointName } = version;
  const plannedAt = place.now();
  return withDuckdb(async (database) => {
    const path = join(database.folder, 'input');
    const content = await data.download(object.key, object.versionId, path);
    const identity = {
      model,
      version: version.version,
      modelSha256: artifacts['model.onnx']?.sha256 ?? sha256(endpointName ?? ''),
      featuresSha256: artifacts['features.json']?.sha256 ?? '',
      input: { ...object, ...content },
    };
    const batchId = batchIdOf(identity);
    const prefix = batchPrefix(model, object.key, batchId);
    const keys = batchKeys(prefix);
    const before = await plannedBefore(data, keys.plan);
    if (before && (await stillThere(data, before))) return { plan: before, prefix };
    const read = await readBatchFile(database, { path, name: object.key }, signature);
    if ('reasons' in read) throw new RefusedBatch(...read.reasons);
    if (read.last > mostBatchRows) {
      throw new RefusedBatch(`the file has more than ${mostBatchRows} rows; write it as several`);
    }
    const plan: BatchPlan = {
      ...identity,
      batchId,
      typedRows:
        read.typedRows === undefined
          ? null
          : { key: keys.typedRows, ...(await data.upload(read.typedRows, keys.typedRows)) },
      rows: read.rows,
      shards: cutShards(read.last, place.rowsPerShard),
      plannedAt: before?.plannedAt ?? plannedAt,
    };
    await data.putJson(keys.plan, plan);
    return { plan, prefix };
  }, 2_048);
}

/**
 * Says what a batch is: pins the file and the version, counts the rows and cuts them into shards. The same
 * file with the same version is the same batch, and goes on where it was.
 */
export async function planBatch(place: PlanningPlace, event: Event): Promise<Result> {
  try {
    const object = await pinned(place, event);
    const version = await versionFor(place, event.version ?? undefined);
    const bytes = await readVerified({ read: place.artifacts.get }, version, 'signature.json');
    const signature = parseDocument(Signature, JSON.parse(bytes.toString()), 'signature.json');
    const { plan: planned, prefix } = await plan(place, object, { version, signature });
    const share = Math.floor((await place.accountConcurrency()) * shareOfAccount);
    return {
      outcome: 'planned',
      batchId: planned.batchId,
      prefix,
      rows: planned.rows,
      version: planned.version,
      shards: planned.shards.map((_, i) => i),
      atOnce: Math.max(1, Math.min(share, mostAtOnce)),
    };
  } catch (error) {
    if (error instanceof RefusedBatch) return { outcome: 'refused', reasons: [...error.reasons] };
    throw error;
  }
}
