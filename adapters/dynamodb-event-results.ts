import type { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  DynamoDBDocumentClient,
  GetCommand,
  PutCommand,
  UpdateCommand,
} from '@aws-sdk/lib-dynamodb';
import * as z from 'zod';
import type { Claim, KeptResult, ResultStore } from '../core/inference/streams/publish-once.ts';
import { parseDocument } from '../core/parse-document.ts';
import { conditionMet } from './dynamodb-table.ts';

/** Longer than a stream keeps its records, and than a producer tries again. */
const rememberedDays = 7;

const Item = z.object({
  pk: z.string(),
  eventId: z.string(),
  text: z.string(),
  sentTo: z.array(z.string()),
  claimedBy: z.string().optional(),
  claimedUntilMs: z.number().optional(),
});

function keptResult({ pk, claimedBy, claimedUntilMs, ...item }: z.infer<typeof Item>): KeptResult {
  const claimed = claimedBy !== undefined && claimedUntilMs !== undefined;
  return {
    key: pk,
    ...item,
    ...(claimed && { claim: { by: claimedBy, untilMs: claimedUntilMs } }),
  };
}

export interface EventResultsOptions {
  readonly tableName: string;
  readonly client: DynamoDBClient;
}

/** Results by the key of their event, which DynamoDB forgets after some days. */
export function dynamodbEventResults({ tableName, client }: EventResultsOptions): ResultStore {
  const documents = DynamoDBDocumentClient.from(client);
  const at = (pk: string) => ({ TableName: tableName, Key: { pk } });

  const read = async (key: string): Promise<KeptResult | undefined> => {
    const { Item: item } = await documents.send(
      new GetCommand({ ...at(key), ConsistentRead: true }),
    );
    return item && keptResult(parseDocument(Item, item, `the result of the event ${key}`));
  };

  const claimed = ({ by, untilMs }: Claim) => ({ claimedBy: by, claimedUntilMs: untilMs });

  return {
    async keep(result, claim) {
      for (;;) {
        const { key: pk, eventId, text } = result;
        const seconds = Math.floor(claim.untilMs / 1_000);
        const put = new PutCommand({
          TableName: tableName,
          Item: {
            ...{ pk, eventId, text, sentTo: [], ...claimed(claim) },
            expiresAt: seconds + rememberedDays * 86_400,
          },
          ConditionExpression: 'attribute_not_exists(pk)',
        });
        if (await conditionMet(documents.send(put))) return { ...result, claim, sentTo: [] };
        // Only where it was forgotten in between there is none.
        const kept = await read(pk);
        if (kept) return kept;
      }
    },

    async claim(kept, claim) {
      const held = kept.claim
        ? {
            ConditionExpression: 'claimedBy = :heldBy AND claimedUntilMs = :heldUntilMs',
            values: { ':heldBy': kept.claim.by, ':heldUntilMs': kept.claim.untilMs },
          }
        : {
            ConditionExpression: 'attribute_exists(pk) AND attribute_not_exists(claimedBy)',
            values: {},
          };
      const update = new UpdateCommand({
        ...at(kept.key),
        UpdateExpression: 'SET claimedBy = :by, claimedUntilMs = :untilMs',
        ConditionExpression: held.ConditionExpression,
        ExpressionAttributeValues: { ':by': claim.by, ':untilMs': claim.untilMs, ...held.values },
      });
      if (await conditionMet(documents.send(update))) return { ...kept, claim };
      return (await read(kept.key)) ?? kept;
    },

    async note({ key, claim }, sentTo) {
      const update = new UpdateCommand({
        ...at(key),
        UpdateExpression: 'SET sentTo = :sentTo REMOVE claimedBy, claimedUntilMs',
        ConditionExpression: 'claimedBy = :by',
        ExpressionAttributeValues: { ':sentTo': sentTo, ':by': claim?.by ?? '' },
      });
      // Whoever claimed it since notes it.
      await conditionMet(documents.send(update));
    },
  };
}
