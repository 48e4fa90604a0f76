// What a server reads its versions from: the laptop cloud's registry and artifacts bucket.
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import type { LedgerEntry } from '../../core/delivery/ledger-entry.ts';
import { startCloud } from '../../local/cloud.ts';
import { makeRegistryTable } from '../builders/registry-table.ts';
import { type ServedVersion, servedVersion } from '../builders/served-version.ts';

const tableName = 'registry';
const bucket = 'artifacts';

export interface ServedRegistry {
  /** Leads an AWS SDK to it. */
  readonly env: Readonly<Record<string, string>>;
  readonly endpoint: string;
  readonly tableName: string;
  readonly bucket: string;
  /** Registers a version as the pipeline does, without bringing it live. */
  register(version: ServedVersion): Promise<void>;
  /** Overwrites an artifact, as a mistake or an attack would. */
  overwrite(key: string, bytes: Uint8Array): Promise<void>;
  enter(state: LedgerEntry['state'], model: string, version: number): Promise<void>;
  stop(): Promise<void>;
}

/** This process talks to that cloud, and to no other, from here on. */
export async function startServedRegistry(): Promise<ServedRegistry> {
  const cloud = await startCloud();
  Object.assign(process.env, cloud.env);
  await new S3Client().send(new CreateBucketCommand({ Bucket: bucket }));
  await makeRegistryTable(new DynamoDBClient(), tableName);
  const registry = dynamodbRegistry({ tableName });
  const ledger = dynamodbLedger({ tableName });
  const artifacts = s3Objects({ bucket });
  let entries = 0;
  return {
    env: cloud.env,
    endpoint: cloud.endpoint,
    tableName,
    bucket,
    async register(served) {
      const { record, objects } = servedVersion(served);
      for (const [key, bytes] of objects) await artifacts.put(key, bytes);
      const { model, runId, registeredAt } = record;
      await registry.putRun({
        model,
        runId,
        trigger: { kind: 'person', by: 'bench' },
        status: 'RUNNING',
        reasons: [],
        startedAt: registeredAt,
      });
      const reserved = await registry.reserveVersion(model, record.trainingId);
      if (reserved.version !== served.version) {
        throw new Error(`version ${served.version} of ${model} would be ${reserved.version}`);
      }
      await registry.registerVersion(record, []);
    },
    overwrite: async (key, bytes) => {
      await artifacts.put(key, Buffer.from(bytes));
    },
    async enter(state, model, version) {
      entries += 1;
      const by = `bench-${entries}`;
      const at = new Date().toISOString();
      await ledger.append({ model, state, version, reason: 'bench', by, at });
    },
    stop: () => cloud.stop(),
  };
}
