import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import type { Cloud } from '../../local/cloud.ts';
import { clientConfig } from './laptop-cloud/harness.ts';
import { createRegistryTable } from './registry-table.ts';

let made = 0;

/** A new bucket with versions and a new registry in a laptop cloud. */
export async function dataCloud(cloud: Cloud) {
  made += 1;
  const s3 = new S3Client(clientConfig(cloud));
  const bucket = `data-${process.pid}-${made}`;
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const VersioningConfiguration = { Status: 'Enabled' } as const;
  await s3.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
  const table = await createRegistryTable(cloud, `registry-${process.pid}-${made}`);
  return {
    data: s3Objects({ bucket, client: s3 }),
    registry: dynamodbRegistry(table),
  };
}
