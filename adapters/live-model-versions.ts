import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { formerlyLive } from '../core/delivery/ledger.ts';
import { type Failure, LiveVersions } from '../core/inference/versions/live-versions.ts';
import { loadVersion } from '../core/inference/versions/load-version.ts';
import type { ModelSession, SessionRequest } from '../core/inference/versions/loaded-version.ts';
import { dynamodbLedger } from './dynamodb-ledger.ts';
import { dynamodbRegistry } from './dynamodb-registry.ts';
import { createModelSession } from './model-session.ts';
import { s3Objects } from './s3-objects.ts';

export interface LiveModelOptions {
  readonly model: string;
  readonly registryTable: string;
  readonly artifactsBucket: string;
  readonly dynamodb?: DynamoDBClient;
  readonly s3?: S3Client;
  /** @default ONNX Runtime in this thread, or the version's container */
  readonly createSession?: (request: SessionRequest) => Promise<ModelSession>;
  /** Somebody calls `refresh` every second. @default false */
  readonly refreshed?: boolean;
  /** Told of what went wrong, in words too, while an older state goes on serving. */
  readonly onFailure: (failure: Failure, text: string) => void;
}

const failureTexts: Record<Failure['what'], string> = {
  head: "the ledger's head could not be read; what was live before stays so here",
  load: 'a version could not be loaded; the last good one, if there is one, goes on serving',
  unload: 'a version could not be unloaded; its memory is not freed',
};

const limits = { connectionTimeout: 1_000, throwOnRequestTimeout: true };

/** A client whose calls fail while there is still time to answer. */
export const impatientDynamodb = (): DynamoDBClient =>
  new DynamoDBClient({ maxAttempts: 2, requestHandler: { ...limits, requestTimeout: 3_000 } });

/** The same for the artifacts, which are larger. */
export const impatientS3 = (): S3Client =>
  new S3Client({ maxAttempts: 2, requestHandler: { ...limits, requestTimeout: 8_000 } });

/** The versions of a model that its ledger names, loaded from what was registered. */
export function liveModelVersions(options: LiveModelOptions): LiveVersions {
  const { model, onFailure } = options;
  const createSession = options.createSession ?? ((request) => createModelSession(request));
  const client = options.dynamodb ?? impatientDynamodb();
  const table = { tableName: options.registryTable, client };
  const ledger = dynamodbLedger(table);
  const registry = dynamodbRegistry(table);
  const s3 = options.s3 ?? impatientS3();
  const artifacts = s3Objects({ bucket: options.artifactsBucket, client: s3 });
  const source = {
    record: (number: number) => registry.getVersion(model, number),
    read: artifacts.get,
    createSession,
  };
  return new LiveVersions({
    model,
    refreshed: options.refreshed ?? false,
    head: () => ledger.head(model),
    formerlyLive: async () => formerlyLive(await ledger.entries(model)),
    load: (version) => loadVersion(source, version),
    onFailure: (failure) => onFailure(failure, failureTexts[failure.what]),
  });
}
