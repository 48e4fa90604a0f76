import { DeleteCommand, GetCommand, PutCommand } from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import { parseDocument } from '../core/parse-document.ts';
import type { HeldLock, RunLockStore } from '../core/training/run-control.ts';
import { RunLock } from '../core/training/run-lock.ts';
import { backOff, conditionMet, dynamodbTable, type TableOptions } from './dynamodb-table.ts';

/** Each model's run lock, changed by compare-and-set on a number that grows with every change. */
export function dynamodbRunLock(options: TableOptions): RunLockStore {
  const { client, name: TableName } = dynamodbTable(options);
  const keyOf = (model: string) => ({ pk: `MODEL#${model}`, sk: 'LOCK' });

  /** Holder and number together: the number begins anew when a freed lock is taken again. */
  const unchanged = ({ lock: { runId }, revision }: HeldLock) => ({
    ConditionExpression: 'revision = :revision AND #document.#runId = :runId',
    ExpressionAttributeNames: { '#document': 'document', '#runId': 'runId' },
    ExpressionAttributeValues: { ':revision': revision, ':runId': runId },
  });

  return {
    async read(model) {
      const { Item } = await client.send(
        new GetCommand({ TableName, Key: keyOf(model), ConsistentRead: true }),
      );
      if (!Item) return undefined;
      const lock = parseDocument(RunLock, Item['document'], `the run lock of ${model}`);
      return { lock, revision: z.int().parse(Item['revision']) };
    },

    async replace(model, before, lock) {
      const condition = before
        ? unchanged(before)
        : { ConditionExpression: 'attribute_not_exists(pk)' };
      const Key = keyOf(model);
      const revision = (before?.revision ?? 0) + 1;
      const replaced = await conditionMet(
        lock
          ? client.send(
              new PutCommand({
                TableName,
                Item: { ...Key, document: lock, revision },
                ...condition,
              }),
            )
          : client.send(new DeleteCommand({ TableName, Key, ...condition })),
      );
      // Whoever lost waits a random moment before trying again, so that rivals part.
      if (!replaced) await backOff(2);
      return replaced;
    },
  };
}
