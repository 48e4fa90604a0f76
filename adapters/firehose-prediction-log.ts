import { packLogLines } from '../core/inference/log/pack-log-lines.ts';
import type { PredictionRecord } from '../core/inference/log/prediction-record.ts';
import type { AwsIdentity } from './aws-identity.ts';
import { awsService } from './aws-requests.ts';

/** A call to PutRecordBatch takes at most 4 MiB and 500 records. */
const maximumCallBytes = 4 * 1024 * 1024;

export interface PredictionLogOptions {
  readonly stream: string;
  /** How long a reply waits for the log. */
  readonly deadlineMs: number;
  readonly identity: AwsIdentity;
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

interface PutReply {
  readonly RequestResponses?: readonly { readonly ErrorCode?: string }[];
}

const linesIn = (record: Uint8Array): number => record.filter((byte) => byte === 10).length;

/** Writes prediction records to a Firehose stream. Its put never rejects: a log fails no reply. */
export function firehosePredictionLog({ stream, deadlineMs, identity }: PredictionLogOptions) {
  const firehose = awsService({
    dns: 'firehose',
    identity,
    // A second attempt would end after the deadline.
    maxAttempts: 1,
    // Late puts go on beside later requests; a Firehose that hangs must not pile them up.
    requestTimeoutMs: 5_000,
  });

  /** Lines that Firehose refused. */
  async function putCall(records: readonly Buffer[]): Promise<number> {
    const reply = await firehose({
      method: 'POST',
      path: '/',
      headers: {
        'content-type': 'application/x-amz-json-1.1',
        'x-amz-target': 'Firehose_20150804.PutRecordBatch',
      },
      body: JSON.stringify({
        DeliveryStreamName: stream,
        Records: records.map((record) => ({ Data: record.toString('base64') })),
      }),
    });
    const { RequestResponses = [] }: PutReply = JSON.parse(reply.toString('utf8'));
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
