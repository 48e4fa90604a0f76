import { CreateTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Cloud } from '../../local/cloud.ts';
import { clientConfig } from './laptop-cloud/harness.ts';

/** A table with the keys of the registry's, of its own name. */
export async function createRegistryTable(cloud: Cloud, tableName: string) {
  const client = new DynamoDBClient(clientConfig(cloud));
  await client.send(
    new CreateTableCommand({
      TableName: tableName,
      BillingMode: 'PAY_PER_REQUEST',
      AttributeDefinitions: [
        { AttributeName: 'pk', AttributeType: 'S' },
        { AttributeName: 'sk', AttributeType: 'S' },
      ],
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
    }),
  );
  return { tableName, client };
}
