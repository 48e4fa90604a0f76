import type { IncomingMessage } from 'node:http';
import { tooLarge } from '../../adapters/content-encoding.ts';
import { maximumRequestBytes } from '../../core/inference/http-messages.ts';

const nothing = new Uint8Array();

/** What becomes of a body; one of them is called, once. */
export interface BodyReader {
  readonly whole: (body: Uint8Array) => void;
  readonly refused: (error: unknown) => void;
  /** Whoever sent it is not there any more. */
  readonly gone: () => void;
}

/** The bytes that a request says its body has; undefined where it does not say. */
export function statedBytes({ headers }: IncomingMessage): number | undefined {
  const length = headers['content-length'];
  // Node has seen to it that it is a number.
  if (length !== undefined) return Number(length);
  return headers['transfer-encoding'] === undefined ? 0 : undefined;
}

/** Collects the body of a request, whatever it is called: it is bytes. */
export function readBody(request: IncomingMessage, reader: BodyReader): void {
  const stated = statedBytes(request);
  if (stated === 0) {
    reader.whole(nothing);
    return;
  }
  let chunks: Buffer[] | undefined = [];
  let bytes = 0;
  const refuse = () => {
    chunks = undefined;
    // What still comes is read and thrown away: the connection is broken off by no one who could be told.
    request.resume();
    reader.refused(tooLarge('the request has more bytes than are taken'));
  };
  if (stated !== undefined && stated > maximumRequestBytes) {
    refuse();
    return;
  }
  request.on('data', (chunk: Buffer) => {
    bytes += chunk.byteLength;
    if (!chunks) return;
    if (bytes > maximumRequestBytes) refuse();
    else chunks.push(chunk);
  });
  request.on('end', () => {
    const [only = nothing] = chunks ?? [];
    if (chunks) reader.whole(chunks.length < 2 ? only : Buffer.concat(chunks, bytes));
  });
  request.on('error', () => {
    if (chunks) reader.gone();
    chunks = undefined;
  });
}
