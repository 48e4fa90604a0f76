import { type KinesisClient, PutRecordsCommand } from '@aws-sdk/client-kinesis';
import type { Destination } from '../core/inference/streams/publish-once.ts';
import { kinesisClient } from './kinesis-client.ts';
import { sendResults } from './send-results.ts';

/** Of one PutRecords. */
const limits = { results: 500, bytes: 4_000_000 };

/** Results as records of a stream, with the event's id as their key. */
export function kinesisResults({
  streamName,
  client = kinesisClient(),
}: {
  readonly streamName: string;
  readonly client?: KinesisClient;
}): Destination {
  return {
    name: 'stream',
    send: (results, deadlineMs) =>
      sendResults(results, deadlineMs, limits, async (part, abortSignal) => {
        const { Records = [] } = await client.send(
          new PutRecordsCommand({
            StreamName: streamName,
            Records: part.map(({ eventId, text }) => ({
              PartitionKey: eventId,
              Data: Buffer.from(text),
            })),
          }),
          { abortSignal },
        );
        return new Map(
          Records.flatMap(({ ErrorCode, ErrorMessage }, at) =>
            ErrorCode === undefined ? [] : [[at, `${ErrorCode}: ${ErrorMessage ?? ''}`] as const],
          ),
        );
      }),
  };
}
