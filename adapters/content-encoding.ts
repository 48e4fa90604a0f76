import { promisify } from 'node:util';
import {
  deflate,
  deflateSync,
  gunzip,
  gunzipSync,
  gzip,
  gzipSync,
  inflate,
  inflateSync,
} from 'node:zlib';
import { HttpError } from '../core/inference/http-error.ts';
import { type EndpointReply, maximumRequestBytes } from '../core/inference/http-messages.ts';
import { InvalidRequestError } from '../core/inference/invalid-request-error.ts';

/** What is smaller is done at once: a thread of the pool would cost more than it takes. */
const bytesAtOnce = 16 * 1024;
/** A smaller reply gains nothing. */
const leastBytes = 1_024;

interface Encoding {
  decode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
  encode(bytes: Uint8Array): Uint8Array | Promise<Uint8Array>;
}

const limit = { maxOutputLength: maximumRequestBytes };
// Numbers as text: more effort makes them hardly smaller.
const effort = { level: 1 };
const later = {
  gunzip: promisify<Uint8Array, typeof limit, Buffer>(gunzip),
  inflate: promisify<Uint8Array, typeof limit, Buffer>(inflate),
  gzip: promisify<Uint8Array, typeof effort, Buffer>(gzip),
  deflate: promisify<Uint8Array, typeof effort, Buffer>(deflate),
};

const isSmall = ({ byteLength }: Uint8Array): boolean => byteLength <= bytesAtOnce;

const encodings: Readonly<Record<string, Encoding>> = {
  gzip: {
    decode: (bytes) => (isSmall(bytes) ? gunzipSync(bytes, limit) : later.gunzip(bytes, limit)),
    encode: (bytes) => (isSmall(bytes) ? gzipSync(bytes, effort) : later.gzip(bytes, effort)),
  },
  deflate: {
    decode: (bytes) => (isSmall(bytes) ? inflateSync(bytes, limit) : later.inflate(bytes, limit)),
    encode: (bytes) => (isSmall(bytes) ? deflateSync(bytes, effort) : later.deflate(bytes, effort)),
  },
};

export const tooLarge = (what: string): HttpError =>
  new HttpError(
    413,
    `${what} and at most ${maximumRequestBytes} are taken; send fewer rows per request`,
  );

/**
 * A request's body with its Content-Encoding undone.
 * @throws HttpError where the encoding is unknown or the body too large, undone or not.
 * @throws InvalidRequestError where the body is not what the encoding says.
 */
export async function decodedBody(
  bytes: Uint8Array,
  contentEncoding: string | undefined,
): Promise<Uint8Array> {
  if (bytes.byteLength > maximumRequestBytes) {
    throw tooLarge(`the request has ${bytes.byteLength} bytes`);
  }
  const name = contentEncoding?.trim().toLowerCase() ?? '';
  if (name === '' || name === 'identity') return bytes;
  const encoding = Object.hasOwn(encodings, name) ? encodings[name] : undefined;
  if (!encoding) {
    throw new HttpError(
      415,
      `Content-Encoding '${name.slice(0, 40)}' is not understood; send gzip, deflate, or the body uncompressed`,
    );
  }
  try {
    return await encoding.decode(bytes);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE') {
      throw tooLarge('the request has more bytes once it is uncompressed');
    }
    throw new InvalidRequestError([
      `the body is not ${name}, as Content-Encoding says; compress it again`,
    ]);
  }
}

/** The first encoding of ours that a client takes. */
function acceptedEncoding(acceptEncoding: string): string | undefined {
  for (const part of acceptEncoding.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim());
    const isRefused = parameters.some((text) => /^q=0(\.0*)?$/.test(text));
    if (!isRefused && Object.hasOwn(encodings, name)) return name;
  }
  return undefined;
}

/** A reply as its client takes it: compressed where that is asked for and worth it. */
export async function encodedReply(
  reply: EndpointReply,
  acceptEncoding: string | undefined,
): Promise<EndpointReply> {
  if (acceptEncoding === undefined || reply.body.length < leastBytes) return reply;
  const name = acceptedEncoding(acceptEncoding);
  if (name === undefined) return reply;
  const bytes = typeof reply.body === 'string' ? Buffer.from(reply.body) : reply.body;
  const body = await encodings[name]?.encode(bytes);
  if (!body) return reply;
  const headers = { ...reply.headers, 'Content-Encoding': name, Vary: 'Accept-Encoding' };
  return { ...reply, headers, body };
}
