import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import type { Cloud } from '../../local/cloud.ts';
import { makeRegistryTable } from '../builders/registry-table.ts';
import { clientConfig } from './laptop-cloud/harness.ts';

/** A table with the keys of the registry's, in a laptop cloud. */
export async function createRegistryTable(cloud: Cloud, tableName: string) {
  const { forcePathStyle: _, ...config } = clientConfig(cloud);
  const client = new DynamoDBClient(config);
  await makeRegistryTable(client, tableName);
  return { tableName, client };
}
