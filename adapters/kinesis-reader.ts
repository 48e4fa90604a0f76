import { setTimeout as sleep } from 'node:timers/promises';
import {
  GetRecordsCommand,
  GetShardIteratorCommand,
  type KinesisClient,
  ListShardsCommand,
} from '@aws-sdk/client-kinesis';
import { kinesisClient } from './kinesis-client.ts';

export interface ReaderOptions {
  readonly streamName: string;
  /** oldest: all that the stream still has · now: what comes after this call. */
  readonly from: 'oldest' | 'now';
  readonly client?: KinesisClient;
}

/** A shard may be asked five times a second, by all its readers together. */
const pauseMs = 300;

/**
 * Opens a stream for reading; from then on nothing is missed. Its read gives the texts that have come since
 * the last one, in the order of each shard, after a short pause where there are none.
 */
export async function openKinesisReader({
  streamName: StreamName,
  from,
  client = kinesisClient(),
}: ReaderOptions): Promise<{ readonly read: () => Promise<string[]> }> {
  const iterators = new Map<string, string | undefined>();
  // One answer has up to a thousand.
  const { Shards = [] } = await client.send(new ListShardsCommand({ StreamName }));
  for (const { ShardId = '' } of Shards) {
    const { ShardIterator } = await client.send(
      new GetShardIteratorCommand({
        ...{ StreamName, ShardId },
        ShardIteratorType: from === 'oldest' ? 'TRIM_HORIZON' : 'LATEST',
      }),
    );
    iterators.set(ShardId, ShardIterator);
  }
  return {
    async read() {
      const texts: string[] = [];
      for (const [shard, ShardIterator] of iterators) {
        // A shard that was split or merged ends.
        if (ShardIterator === undefined) continue;
        const { Records = [], NextShardIterator } = await client.send(
          new GetRecordsCommand({ ShardIterator }),
        );
        iterators.set(shard, NextShardIterator);
        texts.push(...Records.map(({ Data }) => Buffer.from(Data ?? []).toString()));
      }
      if (texts.length === 0) await sleep(pauseMs);
      return texts;
    },
  };
}
