import { InvalidRequestError } from './invalid-request-error.ts';

const replacement = '\uFFFD';
const byteOrderMark = 0xfeff;

/** The bytes as a view that knows how to become text quickly. */
const viewOf = (bytes: Uint8Array): Buffer =>
  Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * A body's text, without a byte order mark.
 * @throws InvalidRequestError where it is not UTF-8.
 */
export function bodyText(bytes: Uint8Array): string {
  const text = viewOf(bytes).toString('utf8');
  // The lenient decoder is the fast one; only what it had to replace, or seems to, is looked at again.
  if (text.includes(replacement)) {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    } catch {
      throw new InvalidRequestError(['the body is not UTF-8 text; send JSON encoded as UTF-8']);
    }
  }
  return text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text;
}
