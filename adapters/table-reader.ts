import type * as z from 'zod';

export interface TableKey {
  readonly pk: string;
  readonly sk: string;
}

export interface ListOptions {
  readonly pk: string;
  readonly prefix?: string;
  readonly descending?: boolean;
  readonly limit?: number;
}

/** The reads of the one table. A record is kept under the attribute `document`. */
export interface TableReader {
  /** The record under a key, read strongly consistent; undefined where there is none. */
  get<Schema extends z.ZodType>(
    key: TableKey,
    schema: Schema,
    what: string,
  ): Promise<z.infer<Schema> | undefined>;

  /** All records under pk, or those whose sk begins with the prefix, in the order of sk. */
  list<Schema extends z.ZodType>(
    options: ListOptions,
    schema: Schema,
    what: string,
  ): Promise<z.infer<Schema>[]>;
}

/** What a list asks DynamoDB for, its values as they are. */
export const listQuery = ({ pk, prefix, descending = false, limit }: ListOptions) => ({
  ConsistentRead: true,
  KeyConditionExpression:
    prefix === undefined ? 'pk = :pk' : 'pk = :pk AND begins_with(sk, :prefix)',
  ExpressionAttributeValues: {
    ':pk': pk,
    ...(prefix !== undefined && { ':prefix': prefix }),
  } as Record<string, string>,
  ScanIndexForward: !descending,
  ...(limit !== undefined && { Limit: limit }),
});
