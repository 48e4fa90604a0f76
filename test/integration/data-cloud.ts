import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { CreateBucketCommand, PutBucketVersioningCommand, S3Client } from '@aws-sdk/client-s3';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import type { Cloud } from '../../local/cloud.ts';
import { clientConfig } from './laptop-cloud/harness.ts';

let made = 0;

/** A new bucket with versions and a new registry in a laptop cloud. */
export async function dataCloud(cloud: Cloud) {
  made += 1;
  const s3 = new S3Client(clientConfig(cloud));
  const bucket = `data-${process.pid}-${made}`;
  await s3.send(new CreateBucketCommand({ Bucket: bucket }));
  const VersioningConfiguration = { Status: 'Enabled' } as const;
  await s3.send(new PutBucketVersioningCommand({ Bucket: bucket, VersioningConfiguration }));
  const { forcePathStyle: _, ...config } = clientConfig(cloud);
  const dynamodb = new DynamoDBClient(config);
  const tableName = `registry-${process.pid}-${made}`;
  await dynamodb.send(
    new CreateTableCommand({
      TableName: tableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: ['pk', 'sk'].map((AttributeName) => ({
        AttributeName,
        AttributeType: 'S',
      })),
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    }),
  );
  return {
    data: s3Objects({ bucket, client: s3 }),
    registry: dynamodbRegistry({ tableName, client: dynamodb }),
  };
}
