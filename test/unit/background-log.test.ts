import type { PutRecordBatchCommand } from '@aws-sdk/client-firehose';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { firehoseBackgroundLog } from '../../adapters/firehose-background-log.ts';

type Behaviour = 'takes' | 'fails' | 'refuses some';

/** Firehose as far as it is asked: what it took, and how the calls go that are still to come. */
function firehose(behaviours: readonly Behaviour[]) {
  const taken: string[] = [];
  const calls: { readonly records: number; readonly bytes: number; readonly largest: number }[] =
    [];
  let inFlight = 0;
  let mostInFlight = 0;
  const client = {
    async send({ input: { Records = [] } }: PutRecordBatchCommand) {
      inFlight += 1;
      mostInFlight = Math.max(mostInFlight, inFlight);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight -= 1;
      const sizes = Records.map(({ Data }) => Data?.byteLength ?? 0);
      calls.push({
        records: Records.length,
        bytes: sizes.reduce((sum, size) => sum + size, 0),
        largest: Math.max(...sizes),
      });
      const behaviour = behaviours[calls.length - 1] ?? 'takes';
      if (behaviour === 'fails') throw new Error('Firehose does not answer');
      const RequestResponses = Records.map(({ Data }, index) => {
        if (behaviour === 'refuses some' && index % 2 === 0) return { ErrorCode: 'Throttled' };
        taken.push(
          ...Buffer.from(Data ?? [])
            .toString()
            .split('\n')
            .slice(0, -1),
        );
        return { RecordId: String(index) };
      });
      return { RequestResponses };
    },
  };
  return { client, taken, calls, mostInFlight: () => mostInFlight };
}

const started = (aws: ReturnType<typeof firehose>, rest: { maximumWaitingBytes?: number } = {}) => {
  const failures: unknown[] = [];
  const log = firehoseBackgroundLog({
    ...{ stream: 'predictions', gatherMs: 1, client: aws.client, ...rest },
    onFailure: (error) => failures.push(error),
  });
  return { log, failures };
};

describe('the log beside the answers', () => {
  test('sends each line once, whatever is in it and however calls go, in calls that Firehose takes', async () => {
    const size = fc.oneof(
      { weight: 20, arbitrary: fc.nat(300) },
      fc.integer({ min: 60_000, max: 340_000 }),
    );
    const line = fc.record({
      size,
      character: fc.constantFrom('a', 'ü', '€', '😀'),
      pause: fc.boolean(),
    });
    const behaviour = fc.constantFrom<Behaviour>('takes', 'takes', 'fails', 'refuses some');
    await fc.assert(
      fc.asyncProperty(
        fc.array(line, { minLength: 1, maxLength: 60 }),
        fc.array(behaviour, { maxLength: 2 }),
        async (lines, behaviours) => {
          const aws = firehose(behaviours);
          const { log, failures } = started(aws);
          const added: string[] = [];
          for (const [index, { size: length, character, pause }] of lines.entries()) {
            const text = `${index}:${character.repeat(length / 2)}`;
            added.push(text);
            log.add(text);
            if (pause) await new Promise((resolve) => setTimeout(resolve, 1));
          }
          await log.close(5_000);
          expect(aws.taken.toSorted()).toEqual(added.toSorted());
          expect(log.takeDropped()).toBe(0);
          expect(aws.mostInFlight()).toBe(1);
          for (const { records, bytes, largest } of aws.calls) {
            expect(records).toBeLessThanOrEqual(500);
            expect(bytes).toBeLessThanOrEqual(4 * 1024 * 1024);
            expect(largest).toBeLessThanOrEqual(1_000 * 1024);
          }
          const wentWrong = behaviours.slice(0, aws.calls.length).filter((one) => one !== 'takes');
          expect(failures.length).toBe(wentWrong.length);
        },
      ),
      { numRuns: 25 },
    );
  });

  test('holds no more than it may while Firehose takes nothing, and counts what it drops', async () => {
    const aws = firehose(new Array<Behaviour>(1_000).fill('fails'));
    const { log } = started(aws, { maximumWaitingBytes: 10_000 });
    for (let n = 0; n < 500; n += 1) log.add(String(n).padEnd(99, '.'));
    const dropped = log.takeDropped();
    expect(dropped).toBe(400);
    expect(log.takeDropped()).toBe(0);
    await log.close(20);
    expect(log.takeDropped()).toBe(100);
    expect(aws.taken).toEqual([]);
  });

  test('has room again when Firehose takes what waited', async () => {
    const aws = firehose(['fails']);
    const { log } = started(aws, { maximumWaitingBytes: 1_000 });
    for (let n = 0; n < 20; n += 1) log.add('x'.repeat(99));
    expect(log.takeDropped()).toBe(10);
    while (aws.taken.length < 10) await new Promise((resolve) => setTimeout(resolve, 5));
    log.add('later');
    await log.close(1_000);
    expect(aws.taken.at(-1)).toBe('later');
    expect(log.takeDropped()).toBe(0);
  });

  test('drops a line that no record can hold, and nothing with it', async () => {
    const aws = firehose([]);
    const { log } = started(aws);
    log.add('before');
    log.add('€'.repeat(400_000));
    log.add('x'.repeat(1_000 * 1024 - 1));
    log.add('after');
    await log.close(1_000);
    expect(log.takeDropped()).toBe(1);
    expect(aws.taken.map(({ length }) => length)).toEqual([6, 1_000 * 1024 - 1, 5]);
  });
});
