import { createReadStream, createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';

/** A file is not the text that it has to be; the message says what it seems to be, and the fix. */
export class NotTextError extends Error {
  override readonly name = 'NotTextError';
}

const signatures: readonly (readonly [readonly number[], string])[] = [
  [[0x1f, 0x8b], 'gzip-compressed; let its name end in .gz'],
  [[0x50, 0x41, 0x52, 0x31], 'a Parquet file; let its name end in .parquet'],
  [[0x50, 0x4b, 0x03, 0x04], 'a zip archive or a spreadsheet; save it as CSV encoded as UTF-8'],
  [[0x28, 0xb5, 0x2f, 0xfd], 'compressed with zstd; compress it with gzip, or not at all'],
  [[0xff, 0xfe], 'UTF-16 text; save it as UTF-8'],
  [[0xfe, 0xff], 'UTF-16 text; save it as UTF-8'],
];

function checkStart(start: Buffer): void {
  for (const [bytes, what] of signatures) {
    if (bytes.every((byte, i) => start[i] === byte)) throw new NotTextError(`the file is ${what}`);
  }
}

/** Bytes to text with \n line ends; a byte order mark at the start is dropped. */
async function* plain(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (chunk?: Buffer): string => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch (cause) {
      throw new NotTextError('the file is not UTF-8 text; save it as UTF-8', { cause });
    }
  };
  let atStart = true;
  // A \r at the end of a chunk may be the first half of a line end.
  let waiting = '';
  for await (const chunk of chunks) {
    if (atStart) checkStart(chunk);
    atStart = false;
    if (chunk.includes(0)) {
      throw new NotTextError('the file is binary or has NUL characters; save it as UTF-8 text');
    }
    const text = waiting + decode(chunk);
    waiting = text.endsWith('\r') ? '\r' : '';
    yield text.slice(0, text.length - waiting.length).replaceAll(/\r\n?/g, '\n');
  }
  const rest = waiting + decode();
  if (rest !== '') yield rest.replaceAll(/\r\n?/g, '\n');
}

const isGzipError = (error: unknown): boolean =>
  error instanceof Error && /^Z_|^ERR_.*ZLIB/.test((error as NodeJS.ErrnoException).code ?? '');

/**
 * Copies text, gzip-compressed or not, as plain UTF-8 with \n line ends.
 * @throws NotTextError where it is something else, or cut off
 */
export async function copyAsPlainText(
  source: string,
  target: string,
  compression: 'gzip' | 'none',
): Promise<void> {
  const input = createReadStream(source);
  const output = createWriteStream(target);
  try {
    if (compression === 'gzip') await pipeline(input, createGunzip(), plain, output);
    else await pipeline(input, plain, output);
  } catch (error) {
    if (!isGzipError(error)) throw error;
    throw new NotTextError(
      'the file is named .gz and is not gzip-compressed, or is cut off; compress it again',
      { cause: error },
    );
  }
}
