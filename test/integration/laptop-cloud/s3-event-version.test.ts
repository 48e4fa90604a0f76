import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  PutBucketNotificationConfigurationCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { expect } from 'vitest';
import type { Cloud } from '../../../local/cloud.ts';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();
const md5OfHello = '5d41402abc4b2a76b9719d911017c592';

interface S3Event {
  readonly time: string;
  readonly 'detail-type': string;
  readonly detail: { readonly object: Record<string, unknown> } & Record<string, unknown>;
}

/** A bucket whose events go to EventBridge, and from there to a queue. */
async function watchedBucket(on: Cloud, name: string, versioned: boolean) {
  const s3 = new S3Client(clientConfig(on));
  const sqs = new SQSClient(clientConfig(on));
  const events = new EventBridgeClient(clientConfig(on));
  await s3.send(new CreateBucketCommand({ Bucket: name }));
  if (versioned) {
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await s3.send(new PutBucketVersioningCommand({ Bucket: name, VersioningConfiguration }));
  }
  await s3.send(
    new PutBucketNotificationConfigurationCommand({
      Bucket: name,
      NotificationConfiguration: { EventBridgeConfiguration: {} },
    }),
  );
  const queueArn = `arn:aws:sqs:${on.region}:${on.accountId}:${name}`;
  const Policy = JSON.stringify({
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Allow',
        Principal: { Service: 'events.amazonaws.com' },
        Action: 'sqs:SendMessage',
        Resource: queueArn,
      },
    ],
  });
  const { QueueUrl } = await sqs.send(
    new CreateQueueCommand({ QueueName: name, Attributes: { Policy } }),
  );
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  const pattern = { source: ['aws.s3'], detail: { bucket: { name: [name] } } };
  await events.send(new PutRuleCommand({ Name: name, EventPattern: JSON.stringify(pattern) }));
  await events.send(
    new PutTargetsCommand({ Rule: name, Targets: [{ Id: 'queue', Arn: Attributes?.QueueArn }] }),
  );
  const next = () =>
    eventually(async () => {
      const { Messages } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: 1, WaitTimeSeconds: 1 }),
      );
      const message = Messages?.[0];
      if (!message) return undefined;
      const { ReceiptHandle } = message;
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      return JSON.parse(message.Body ?? '') as S3Event;
    });
  return { s3, next };
}

gapTest(
  'a created object is announced with its version, whole seconds and its raw key',
  async () => {
    const { s3, next } = await watchedBucket(cloud(), 'created', true);
    const Key = 'landing/flight delay/ü+1.csv';
    const put = await s3.send(new PutObjectCommand({ Bucket: 'created', Key, Body: 'hello' }));
    const event = await next();
    expect(event['detail-type']).toBe('Object Created');
    expect(event.time).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
    expect(event.detail).toEqual({
      version: '0',
      bucket: { name: 'created' },
      object: {
        key: Key,
        size: 5,
        etag: md5OfHello,
        'version-id': put.VersionId,
        sequencer: expect.stringMatching(/^[0-9A-F]{16,}$/),
      },
      'request-id': expect.any(String),
      requester: cloud().accountId,
      'source-ip-address': expect.any(String),
      reason: 'PutObject',
    });
  },
);

gapTest('copies and multipart uploads are announced with the version they made', async () => {
  const { s3, next } = await watchedBucket(cloud(), 'copied', true);
  const Bucket = 'copied';
  await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'hello' }));
  await next();
  const copy = await s3.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource: 'copied/a' }));
  const copied = await next();
  expect(copied.detail['reason']).toBe('CopyObject');
  expect(copied.detail.object['version-id']).toBe(copy.VersionId);

  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: 'c' }));
  const part = { Bucket, Key: 'c', UploadId, PartNumber: 1 };
  const { ETag } = await s3.send(new UploadPartCommand({ ...part, Body: 'hello' }));
  const MultipartUpload = { Parts: [{ ETag, PartNumber: 1 }] };
  const whole = await s3.send(
    new CompleteMultipartUploadCommand({ Bucket, Key: 'c', UploadId, MultipartUpload }),
  );
  const completed = await next();
  expect(completed.detail['reason']).toBe('CompleteMultipartUpload');
  expect(completed.detail.object['version-id']).toBe(whole.VersionId);
});

gapTest('a delete marker and the deletion of a version are announced apart', async () => {
  const { s3, next } = await watchedBucket(cloud(), 'deleted', true);
  const object = { Bucket: 'deleted', Key: 'a' };
  const put = await s3.send(new PutObjectCommand({ ...object, Body: 'hello' }));
  await next();
  const marker = await s3.send(new DeleteObjectCommand(object));
  const marked = await next();
  expect(marked['detail-type']).toBe('Object Deleted');
  expect(marked.detail['deletion-type']).toBe('Delete Marker Created');
  expect(marked.detail.object['version-id']).toBe(marker.VersionId);
  expect(marked.detail.object).not.toHaveProperty('size');

  await s3.send(new DeleteObjectCommand({ ...object, VersionId: put.VersionId }));
  const removed = await next();
  expect(removed.detail['deletion-type']).toBe('Permanently Deleted');
  expect(removed.detail.object['version-id']).toBe(put.VersionId);
});

gapTest('an object of an unversioned bucket has no version', async () => {
  const { s3, next } = await watchedBucket(cloud(), 'unversioned', false);
  await s3.send(new PutObjectCommand({ Bucket: 'unversioned', Key: 'a', Body: 'hello' }));
  const { detail } = await next();
  expect(detail.object).not.toHaveProperty('version-id');
  // The bare emulator adds a field of its own to every event.
  expect(detail).not.toHaveProperty('event-version');
});
