import { ConditionalCheckFailedException, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DynamoDBDocumentClient,
  GetCommand,
  paginateQuery,
  TransactWriteCommand,
  type TransactWriteCommandInput,
} from '@aws-sdk/lib-dynamodb';
import type * as z from 'zod';
import { parseDocument } from '../core/parse-document.ts';
import { type ListOptions, listQuery, type TableKey } from './table-reader.ts';

/** Where the registry, the ledgers and the run locks are: one table with string keys pk and sk. */
export interface TableOptions {
  readonly tableName: string;
  readonly client?: DynamoDBClient;
}

export type TransactItems = NonNullable<TransactWriteCommandInput['TransactItems']>;

/** A record is kept under the attribute `document`; its other attributes are keys. */
export function dynamodbTable({ tableName, client }: TableOptions) {
  const documents = DynamoDBDocumentClient.from(client ?? new DynamoDBClient(), {
    marshallOptions: { removeUndefinedValues: true },
  });
  return {
    name: tableName,
    client: documents,

    /** The record under a key, read strongly consistent; undefined where there is none. */
    async get<Schema extends z.ZodType>(
      key: TableKey,
      schema: Schema,
      what: string,
    ): Promise<z.infer<Schema> | undefined> {
      const { Item } = await documents.send(
        new GetCommand({ TableName: tableName, Key: key, ConsistentRead: true }),
      );
      return Item && parseDocument(schema, Item['document'], what);
    },

    /** All records under pk, or those whose sk begins with the prefix, in the order of sk. */
    async list<Schema extends z.ZodType>(
      options: ListOptions,
      schema: Schema,
      what: string,
    ): Promise<z.infer<Schema>[]> {
      const { limit } = options;
      const records: z.infer<Schema>[] = [];
      const pages = paginateQuery(
        { client: documents },
        { TableName: tableName, ...listQuery(options) },
      );
      for await (const { Items = [] } of pages) {
        for (const item of Items) records.push(parseDocument(schema, item['document'], what));
        if (limit !== undefined && records.length >= limit) return records.slice(0, limit);
      }
      return records;
    },

    /** All or nothing; false where a condition was not met or another transaction was in the way. */
    async transact(items: TransactItems): Promise<boolean> {
      try {
        await documents.send(new TransactWriteCommand({ TransactItems: items }));
        return true;
      } catch (error) {
        if (lostRace(error)) return false;
        throw error;
      }
    },
  };
}

export type DynamodbTable = ReturnType<typeof dynamodbTable>;

const raceReasons = new Set(['ConditionalCheckFailed', 'TransactionConflict']);

function lostRace(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error.name === 'TransactionConflictException') return true;
  if (error.name !== 'TransactionCanceledException') return false;
  const reasons =
    (error as { CancellationReasons?: { Code?: string }[] }).CancellationReasons ?? [];
  const failed = reasons.flatMap(({ Code }) => (Code && Code !== 'None' ? [Code] : []));
  return failed.length > 0 && failed.every((code) => raceReasons.has(code));
}

/** Resolves to false where the command's condition was not met. */
export async function conditionMet(command: Promise<unknown>): Promise<boolean> {
  try {
    await command;
    return true;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) return false;
    throw error;
  }
}

/** Waits for a random part of a span that grows with the attempt, so that rivals part. */
export const backOff = (attempt: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, Math.random() * Math.min(1_000, 20 * 2 ** attempt)));
