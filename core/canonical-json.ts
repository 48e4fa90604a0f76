import { createHash } from 'node:crypto';
import canonicalize from 'canonicalize';

/** RFC 8785 canonical form: the same value gives the same bytes, whatever the order of its keys. */
export function canonicalJson(value: unknown): string {
  const text = canonicalize(value);
  if (text === undefined) throw new TypeError('only JSON values have a canonical form');
  return text;
}

/** Hex SHA-256 of bytes or of a UTF-8 text. */
export const sha256 = (content: string | Uint8Array): string =>
  createHash('sha256').update(content).digest('hex');

/** Hex SHA-256 of a value's canonical JSON: the identity of every document in lineage. */
export const hashOf = (value: unknown): string => sha256(canonicalJson(value));
