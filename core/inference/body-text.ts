import { InvalidRequestError } from './invalid-request-error.ts';

const replacement = '\uFFFD';
const byteOrderMark = 0xfeff;

/** Bytes as UTF-8; undefined where they are none. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  const { buffer, byteOffset, byteLength } = bytes;
  const view = Buffer.isBuffer(bytes) ? bytes : Buffer.from(buffer, byteOffset, byteLength);
  const text = view.toString('utf8');
  // The lenient decoder is the fast one; only what it had to replace, or seems to, is looked at again.
  if (!text.includes(replacement)) return text;
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return text;
  } catch {
    return undefined;
  }
}

/**
 * A body's text, without a byte order mark.
 * @throws InvalidRequestError where it is not UTF-8.
 */
export function bodyText(bytes: Uint8Array): string {
  const text = utf8Text(bytes);
  if (text === undefined) {
    throw new InvalidRequestError(['the body is not UTF-8 text; send JSON encoded as UTF-8']);
  }
  return text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text;
}
