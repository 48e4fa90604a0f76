import { FirehoseClient, PutRecordBatchCommand } from '@aws-sdk/client-firehose';
import { packLogLines } from '../core/inference/pack-log-lines.ts';
import type { PredictionRecord } from '../core/inference/prediction-record.ts';

/** A call to PutRecordBatch takes at most 4 MiB and 500 records. */
const maximumCallBytes = 4 * 1024 * 1024;

export interface PredictionLogOptions {
  readonly stream: string;
  /** How long a reply waits for the log. */
  readonly deadlineMs: number;
  readonly client?: FirehoseClient;
}

/** What became of the records of one request. */
export interface LogOutcome {
  readonly sent: number;
  /** Not taken within the deadline; Firehose may still take them. */
  readonly late: number;
  /** Refused, or too large for a record of Firehose. */
  readonly failed: number;
  readonly error?: unknown;
}

function callsOf(records: readonly Buffer[]): Buffer[][] {
  const calls: Buffer[][] = [];
  let room = 0;
  for (const record of records) {
    if (record.byteLength > room) {
      calls.push([]);
      room = maximumCallBytes;
    }
    calls.at(-1)?.push(record);
    room -= record.byteLength;
  }
  return calls;
}

const linesIn = (record: Uint8Array): number => record.filter((byte) => byte === 10).length;

/** Writes prediction records to a Firehose stream. Its put never rejects: a log fails no reply. */
export function firehosePredictionLog({ stream, deadlineMs, client }: PredictionLogOptions) {
  const firehose =
    client ??
    new FirehoseClient({
      // A second attempt would end after the deadline.
      maxAttempts: 1,
      // Late puts go on beside later requests; a Firehose that hangs must not pile them up.
      requestHandler: {
        connectionTimeout: 1_000,
        requestTimeout: 5_000,
        throwOnRequestTimeout: true,
      },
    });

  /** Lines that Firehose refused. */
  async function putCall(records: readonly Buffer[]): Promise<number> {
    const { RequestResponses = [] } = await firehose.send(
      new PutRecordBatchCommand({
        DeliveryStreamName: stream,
        Records: records.map((record) => ({ Data: record })),
      }),
    );
    return records.reduce(
      (refused, record, i) => refused + (RequestResponses[i]?.ErrorCode ? linesIn(record) : 0),
      0,
    );
  }

  async function putAll(values: readonly PredictionRecord[]): Promise<LogOutcome> {
    const { records, oversized } = packLogLines(values);
    try {
      const refused = await Promise.all(callsOf(records).map(putCall));
      const failed = refused.reduce((sum, lines) => sum + lines, oversized);
      return { sent: values.length - failed, late: 0, failed };
    } catch (error) {
      return { sent: 0, late: 0, failed: values.length, error };
    }
  }

  return {
    /** Waits for Firehose until the deadline. What is late is not stopped: it mostly arrives. */
    async put(values: readonly PredictionRecord[]): Promise<LogOutcome> {
      if (values.length === 0) return { sent: 0, late: 0, failed: 0 };
      let timer: ReturnType<typeof setTimeout> | undefined;
      const deadline = new Promise<LogOutcome>((resolve) => {
        const late = { sent: 0, late: values.length, failed: 0 };
        timer = setTimeout(() => resolve(late), deadlineMs);
      });
      const outcome = await Promise.race([putAll(values), deadline]);
      clearTimeout(timer);
      return outcome;
    },
  };
}
