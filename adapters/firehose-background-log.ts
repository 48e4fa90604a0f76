import {
  FirehoseClient,
  PutRecordBatchCommand,
  type PutRecordBatchCommandOutput,
} from '@aws-sdk/client-firehose';
import { maximumRecordBytes } from '../core/inference/log/pack-log-lines.ts';

/** A call takes 500 records and 4 MiB; smaller ones hold up what else the process does for less long. */
const mostRecords = 500;
const mostCallBytes = 1024 * 1024;
/** A record is billed by 5 KiB: many lines share one. */
const chunkBytes = 256 * 1024;
/** Of a character of JavaScript in UTF-8. */
const mostBytesPerCharacter = 3;
const firstPauseMs = 100;
const longestPauseMs = 10_000;

export interface BackgroundLogOptions {
  readonly stream: string;
  /** Of lines that Firehose has not taken yet; what would be more is dropped. @default 32 MiB */
  readonly maximumWaitingBytes?: number;
  /** How long a line waits for others at most. @default 1000 */
  readonly gatherMs?: number;
  /** Told of a call that failed; its lines are sent again. */
  readonly onFailure: (error: unknown, waitingBytes: number) => void;
  readonly client?: {
    send(
      command: PutRecordBatchCommand,
    ): Promise<Pick<PutRecordBatchCommandOutput, 'RequestResponses'>>;
  };
}

const lineEnd = 10;

interface Chunk {
  readonly bytes: Buffer;
  readonly lines: number;
}

const newClient = () =>
  new FirehoseClient({
    // Tried again here, with what has come meanwhile.
    maxAttempts: 1,
    requestHandler: {
      connectionTimeout: 1_000,
      requestTimeout: 5_000,
      throwOnRequestTimeout: true,
    },
  });

/** Firehose took a call and not all of its records: with its codes. */
class PartlyRefusedError extends Error {
  override readonly name = 'PartlyRefusedError';
}

/**
 * Sends lines to a Firehose stream beside the work that they are about: in calls of many lines, one call at a
 * time, again after a pause where one failed. Nobody waits for it, and it holds no more than its share of memory.
 */
class BackgroundLog {
  readonly #options: BackgroundLogOptions;
  readonly #client: NonNullable<BackgroundLogOptions['client']>;
  readonly #maximumWaitingBytes: number;
  #chunks: Chunk[] = [];
  #open: Buffer = Buffer.alloc(0);
  #openBytes = 0;
  #openLines = 0;
  #waitingBytes = 0;
  #dropped = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #sending: Promise<void> | undefined;
  #endPause: (() => void) | undefined;
  #closesAt = Number.POSITIVE_INFINITY;

  constructor(options: BackgroundLogOptions) {
    this.#options = options;
    this.#client = options.client ?? newClient();
    this.#maximumWaitingBytes = options.maximumWaitingBytes ?? 32 * 1024 * 1024;
  }

  /** Takes a line, without its end, or drops it. */
  add(line: string): void {
    if (!this.#hasRoomFor(line)) {
      this.#dropped += 1;
      return;
    }
    // Written at once: a long text of many parts would be copied again and again.
    this.#openBytes += this.#open.write(line, this.#openBytes);
    this.#open[this.#openBytes] = lineEnd;
    this.#openBytes += 1;
    this.#openLines += 1;
    this.#timer ??= setTimeout(() => this.#closeChunk(), this.#options.gatherMs ?? 1_000);
  }

  /** Sees to it that the line fits into the open chunk; false where it is too much. */
  #hasRoomFor(line: string): boolean {
    if (this.#waitingBytes + this.#openBytes + line.length > this.#maximumWaitingBytes)
      return false;
    if (this.#openBytes + line.length * mostBytesPerCharacter < this.#open.length) return true;
    const bytes = Buffer.byteLength(line) + 1;
    if (bytes > maximumRecordBytes) return false;
    if (this.#openBytes + bytes > this.#open.length) {
      this.#closeChunk();
      this.#open = Buffer.allocUnsafeSlow(Math.max(chunkBytes, bytes));
    }
    return true;
  }

  /** Lines that were dropped since this was last asked. */
  takeDropped(): number {
    const dropped = this.#dropped;
    this.#dropped = 0;
    return dropped;
  }

  /** Sends what waits; what Firehose has not taken within the time is dropped. */
  async close(limitMs: number): Promise<void> {
    this.#closesAt = Date.now() + limitMs;
    this.#closeChunk();
    this.#endPause?.();
    const limit = setTimeout(() => this.#endPause?.(), limitMs);
    await this.#sending;
    clearTimeout(limit);
  }

  #closeChunk(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#openLines > 0) {
      this.#chunks.push({
        bytes: this.#open.subarray(0, this.#openBytes),
        lines: this.#openLines,
      });
      this.#waitingBytes += this.#openBytes;
      // What is left of it serves the lines that come next.
      this.#open = this.#open.subarray(this.#openBytes);
      this.#openBytes = 0;
      this.#openLines = 0;
    }
    this.#startSending();
  }

  #startSending(): void {
    if (this.#chunks.length === 0) return;
    this.#sending ??= this.#sendAll().finally(() => {
      this.#sending = undefined;
      this.#startSending();
    });
  }

  #drop({ bytes, lines }: Chunk): void {
    this.#waitingBytes -= bytes.byteLength;
    this.#dropped += lines;
  }

  async #sendAll(): Promise<void> {
    let pauseMs = firstPauseMs;
    while (this.#chunks.length > 0) {
      const call = this.#nextCall();
      const refused = await this.#send(call);
      this.#chunks.unshift(...refused);
      if (refused.length === 0) {
        pauseMs = firstPauseMs;
      } else if (Date.now() < this.#closesAt) {
        await this.#pause(Math.min(pauseMs * (0.5 + Math.random()), this.#closesAt - Date.now()));
        pauseMs = Math.min(2 * pauseMs, longestPauseMs);
      }
      if (Date.now() >= this.#closesAt)
        for (const chunk of this.#chunks.splice(0)) this.#drop(chunk);
    }
  }

  #nextCall(): Chunk[] {
    let bytes = 0;
    const call: Chunk[] = [];
    for (const chunk of this.#chunks) {
      bytes += chunk.bytes.byteLength;
      if (call.length > 0 && (bytes > mostCallBytes || call.length === mostRecords)) break;
      call.push(chunk);
    }
    this.#chunks.splice(0, call.length);
    return call;
  }

  /** @returns what was not taken */
  async #send(call: readonly Chunk[]): Promise<readonly Chunk[]> {
    let refused: readonly Chunk[] = call;
    let failure: unknown;
    try {
      const { RequestResponses = [] } = await this.#client.send(
        new PutRecordBatchCommand({
          DeliveryStreamName: this.#options.stream,
          Records: call.map(({ bytes }) => ({ Data: bytes })),
        }),
      );
      refused = call.filter((_, index) => RequestResponses[index]?.ErrorCode);
      const codes = new Set(RequestResponses.flatMap(({ ErrorCode }) => ErrorCode ?? []));
      if (refused.length > 0) failure = new PartlyRefusedError([...codes].join(', '));
    } catch (error) {
      failure = error;
    }
    for (const { bytes } of call) this.#waitingBytes -= bytes.byteLength;
    for (const { bytes } of refused) this.#waitingBytes += bytes.byteLength;
    if (refused.length > 0) this.#options.onFailure(failure, this.#waitingBytes);
    return refused;
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

export type { BackgroundLog };

export const firehoseBackgroundLog = (options: BackgroundLogOptions): BackgroundLog =>
  new BackgroundLog(options);
