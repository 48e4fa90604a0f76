import type { ITableV2 } from 'aws-cdk-lib/aws-dynamodb';
import type { IGrantable } from 'aws-cdk-lib/aws-iam';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { IKey } from 'aws-cdk-lib/aws-kms';
import type { ILayerVersion } from 'aws-cdk-lib/aws-lambda';
import type { RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { IBucket } from 'aws-cdk-lib/aws-s3';
import type { ITopic } from 'aws-cdk-lib/aws-sns';
import type { IQueue } from 'aws-cdk-lib/aws-sqs';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { verdictPrefix } from '../../core/training/verdict.ts';
import { explainWildcard } from './waivers.ts';

/** What every construct of one model's stack is given. */
export interface ModelContext {
  readonly model: ModelDefinition;
  readonly data: IBucket;
  readonly artifacts: IBucket;
  readonly registry: ITableV2;
  /** news: can wait for the morning · pages: cannot. */
  readonly notifications: { readonly news: ITopic; readonly pages: ITopic };
  readonly notificationsKey: IKey;
  /** Every asynchronous edge leaves here what it could not deliver or handle. */
  readonly deadLetters: IQueue;
  readonly onnxruntime: ILayerVersion;
  readonly duckdb: ILayerVersion;
  readonly logRetention: RetentionDays;
  /** Of each step that works through a data set. */
  readonly pipelineMemoryMb: number;
  readonly cpu: 'x64' | 'arm64';
}

/** What a function that tells the model's owners something finds in its environment. */
export const notificationVariables = ({ model, notifications }: ModelContext) => ({
  NEWS_TOPIC_ARN: notifications.news.topicArn,
  PAGES_TOPIC_ARN: notifications.pages.topicArn,
  MODEL_OWNER: model.monitoring.owner ?? '',
});

/** Lets a function tell the model's owners something. */
export function grantNotifications(grantee: IGrantable, context: ModelContext): void {
  const { notifications, notificationsKey } = context;
  grantee.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['sns:Publish'],
      resources: [notifications.news.topicArn, notifications.pages.topicArn],
    }),
  );
  grantee.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['kms:Decrypt', 'kms:GenerateDataKey'],
      resources: [notificationsKey.keyArn],
    }),
  );
}

type ObjectAccess = 'read' | 'write' | 'delete';

const actionsOf: Record<ObjectAccess, string[]> = {
  read: ['s3:GetObject', 's3:GetObjectVersion'],
  write: ['s3:PutObject', 's3:AbortMultipartUpload'],
  delete: ['s3:DeleteObject'],
};

/** Lets a function work on the objects under some prefixes, and nothing else, of a bucket. */
export function grantObjects(
  grantee: IGrantable,
  bucket: IBucket,
  access: readonly ObjectAccess[],
  prefixes: readonly string[],
): void {
  grantee.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: access.flatMap((kind) => actionsOf[kind]),
      resources: prefixes.map((prefix) => bucket.arnForObjects(`${prefix}*`)),
    }),
  );
  for (const prefix of prefixes) {
    explainWildcard(
      grantee,
      `/${prefix}*`,
      'one kind of object of one model: its keys are not known before they are written',
    );
  }
}

/** Lets a function list what lies under some prefixes of a bucket, versions included. */
export function grantListing(
  grantee: IGrantable,
  bucket: IBucket,
  prefixes: readonly string[],
): void {
  grantee.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({
      actions: ['s3:ListBucket', 's3:ListBucketVersions'],
      resources: [bucket.bucketArn],
      conditions: { StringLike: { 's3:prefix': prefixes.map((prefix) => `${prefix}*`) } },
    }),
  );
}

/** Lets a function read and write items of the registry; deletion is for those that ask. */
export function grantRegistry(
  grantee: IGrantable,
  table: ITableV2,
  access: 'read' | 'write' | 'write and delete',
): void {
  const actions = ['dynamodb:GetItem', 'dynamodb:Query'];
  if (access !== 'read') actions.push('dynamodb:PutItem', 'dynamodb:UpdateItem');
  if (access === 'write and delete') actions.push('dynamodb:DeleteItem');
  grantee.grantPrincipal.addToPrincipalPolicy(
    new PolicyStatement({ actions, resources: [table.tableArn] }),
  );
}

/** Lets a function write what the gate said, once. */
export function grantVerdicts(grantee: IGrantable, { data, model }: ModelContext): void {
  const verdicts = [verdictPrefix(model.name)];
  grantListing(grantee, data, verdicts);
  grantObjects(grantee, data, ['read', 'write'], verdicts);
}
