import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { expect } from 'vitest';
import { clientConfig, gapTest, useCloud } from './harness.ts';
import { assumeNewRole } from './rest-api.ts';

const cloud = useCloud();

gapTest('every call is attributed to the role that made it, with its outcome', async () => {
  const Bucket = 'data';
  await new S3Client(clientConfig(cloud())).send(new CreateBucketCommand({ Bucket }));
  const credentials = await assumeNewRole(cloud(), 'writer', [
    { Effect: 'Allow', Action: 's3:PutObject', Resource: `arn:aws:s3:::${Bucket}/*` },
  ]);
  const s3 = new S3Client({ ...clientConfig(cloud()), credentials });
  await fetch(`${cloud().endpoint}/_laptop/calls`, { method: 'DELETE' });
  await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }));
  await s3.send(new PutObjectCommand({ Bucket, Key: 'a', Body: 'y' }));
  await expect(s3.send(new GetObjectCommand({ Bucket, Key: 'a' }))).rejects.toThrow();
  const calls = await (await fetch(`${cloud().endpoint}/_laptop/calls`)).json();
  const call = {
    principal: `arn:aws:iam::${cloud().accountId}:role/writer`,
    resource: 'arn:aws:s3:::data/a',
  };
  expect(calls).toEqual([
    { ...call, action: 's3:PutObject', allowed: true, count: 2 },
    { ...call, action: 's3:GetObject', allowed: false, count: 1 },
  ]);
});
