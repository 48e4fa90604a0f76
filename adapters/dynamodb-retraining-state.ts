import { GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { parseDocument } from '../core/parse-document.ts';
import { RetrainingState, type RetrainingStore } from '../core/training/retraining-state.ts';
import { backOff, conditionMet, dynamodbTable, type TableOptions } from './dynamodb-table.ts';

/** What the retraining policy remembers of each model, changed by compare-and-set on a number that grows. */
export function dynamodbRetrainingState(options: TableOptions): RetrainingStore {
  const { client, name: TableName } = dynamodbTable(options);
  const keyOf = (model: string) => ({ pk: `MODEL#${model}`, sk: 'RETRAINING' });

  return {
    async read(model) {
      const { Item } = await client.send(
        new GetCommand({ TableName, Key: keyOf(model), ConsistentRead: true }),
      );
      if (!Item) return undefined;
      const what = `the retraining state of ${model}`;
      const state = parseDocument(RetrainingState, Item['document'], what);
      return { state, revision: z.int().parse(Item['revision']) };
    },

    async replace(model, before, state) {
      const condition = before
        ? {
            ConditionExpression: 'revision = :revision',
            ExpressionAttributeValues: { ':revision': before.revision },
          }
        : { ConditionExpression: 'attribute_not_exists(pk)' };
      const revision = (before?.revision ?? 0) + 1;
      const Item = { ...keyOf(model), document: state, revision };
      const replaced = await conditionMet(
        client.send(new PutCommand({ TableName, Item, ...condition })),
      );
      // Whoever lost waits a random moment before trying again, so that rivals part.
      if (!replaced) await backOff(2);
      return replaced;
    },
  };
}
