import { unmarshall } from '@aws-sdk/util-dynamodb';
import type * as z from 'zod';
import { parseDocument } from '../core/parse-document.ts';
import type { AwsService } from './aws-requests.ts';
import { listQuery, type TableReader } from './table-reader.ts';

type Item = Parameters<typeof unmarshall>[0];

/** Strings as DynamoDB writes them. */
const asAttributes = (values: Readonly<Record<string, string>>) =>
  Object.fromEntries(Object.entries(values).map(([name, S]) => [name, { S }]));

/** The reads of a table for a function that does without the SDK. */
export function requestedTable(tableName: string, dynamodb: AwsService): TableReader {
  async function ask<Reply>(operation: string, input: object): Promise<Reply> {
    const bytes = await dynamodb({
      method: 'POST',
      path: '/',
      headers: {
        'content-type': 'application/x-amz-json-1.0',
        'x-amz-target': `DynamoDB_20120810.${operation}`,
      },
      body: JSON.stringify({ TableName: tableName, ...input }),
    });
    return JSON.parse(bytes.toString('utf8'));
  }

  const parsed = <Schema extends z.ZodType>(item: Item, schema: Schema, what: string) =>
    parseDocument(schema, unmarshall(item)['document'], what);

  return {
    async get({ pk, sk }, schema, what) {
      const { Item } = await ask<{ Item?: Item }>('GetItem', {
        Key: asAttributes({ pk, sk }),
        ConsistentRead: true,
      });
      return Item && parsed(Item, schema, what);
    },

    async list(options, schema, what) {
      const { ExpressionAttributeValues, ...query } = listQuery(options);
      const { limit = Number.POSITIVE_INFINITY } = options;
      const items: Item[] = [];
      let start: object | undefined;
      do {
        const page = await ask<{ Items?: Item[]; LastEvaluatedKey?: object }>('Query', {
          ...query,
          ExpressionAttributeValues: asAttributes(ExpressionAttributeValues),
          ExclusiveStartKey: start,
        });
        items.push(...(page.Items ?? []));
        start = page.LastEvaluatedKey;
      } while (start !== undefined && items.length < limit);
      return items.slice(0, options.limit).map((item) => parsed(item, schema, what));
    },
  };
}
