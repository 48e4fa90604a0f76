import { createHash } from 'node:crypto';
import {
  CopyObjectCommand,
  CreateBucketCommand,
  HeadObjectCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { clientConfig, gapTest, useCloud } from './harness.ts';

const cloud = useCloud();

async function bucket(Bucket: string): Promise<S3Client> {
  const s3 = new S3Client(clientConfig(cloud()));
  await s3.send(new CreateBucketCommand({ Bucket }));
  const VersioningConfiguration = { Status: 'Enabled' } as const;
  await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
  return s3;
}

gapTest('the copy of a version has the checksum that was asked for', async () => {
  const Bucket = 'checksums';
  const s3 = await bucket(Bucket);
  const first = await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'first' }));
  await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'second' }));
  const { CopyObjectResult } = await s3.send(
    new CopyObjectCommand({
      Bucket,
      Key: 'b',
      CopySource: `${Bucket}/a?versionId=${first.VersionId}`,
      ChecksumAlgorithm: 'SHA256',
    }),
  );
  const expected = createHash('sha256').update('first').digest('base64');
  expect(CopyObjectResult?.ChecksumSHA256).toBe(expected);
  const head = await s3.send(new HeadObjectCommand({ Bucket, Key: 'b', ChecksumMode: 'ENABLED' }));
  expect(head.ChecksumSHA256).toBe(expected);
});

gapTest('a copy is refused when its condition on the target does not hold', async () => {
  const Bucket = 'conditions';
  const s3 = await bucket(Bucket);
  const { ETag } = await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'a' }));
  const copy = (condition: { IfNoneMatch?: string; IfMatch?: string }) =>
    s3.send(new CopyObjectCommand({ Bucket, Key: 'b', CopySource: `${Bucket}/a`, ...condition }));
  await copy({ IfNoneMatch: '*' });
  await copy({ IfMatch: ETag ?? '' });
  const refused = { name: 'PreconditionFailed', $metadata: { httpStatusCode: 412 } };
  await expect(copy({ IfNoneMatch: '*' })).rejects.toMatchObject(refused);
  await expect(copy({ IfMatch: '"other"' })).rejects.toMatchObject(refused);
});
