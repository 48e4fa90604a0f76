// Takes what a server's prediction log sends, as Firehose does, and keeps only the count.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface LogSink {
  readonly url: string;
  /** Prediction records taken so far. */
  readonly lines: number;
  stop(): Promise<void>;
}

/** A base64 text of JSON lines, as PutRecordBatch carries it: a line break ends a record. */
function linesIn(data: string): number {
  const bytes = Buffer.from(data, 'base64');
  let count = 0;
  // It shares its core with what asks the servers: the less it does, the less it disturbs.
  for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) count += 1;
  return count;
}

export async function startLogSink(): Promise<LogSink> {
  let lines = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const { Records = [] }: { Records?: { Data: string }[] } = JSON.parse(
        Buffer.concat(chunks).toString(),
      );
      for (const { Data } of Records) lines += linesIn(Data);
      const RequestResponses = Records.map((_, index) => ({ RecordId: String(index) }));
      response.setHeader('content-type', 'application/x-amz-json-1.1');
      response.end(JSON.stringify({ FailedPutCount: 0, RequestResponses }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    get lines() {
      return lines;
    },
    stop: () =>
      new Promise((resolve) => {
        server.closeAllConnections();
        server.close(() => resolve());
      }),
  };
}
