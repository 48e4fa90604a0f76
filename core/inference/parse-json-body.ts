import { InvalidRequestError } from './invalid-request-error.ts';

export type JsonObject = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/**
 * Parses a body that must be a JSON object.
 * @param example what to send instead of something that is none.
 * @throws InvalidRequestError naming what is wrong and what to send, quoting nothing of the body.
 */
export function parseJsonObject(text: string, example: string): JsonObject {
  const fix = `send ${example}`;
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    if (text.trim() === '') throw new InvalidRequestError([`the body is empty; ${fix}`]);
    throw new InvalidRequestError([
      `the body is not JSON (NaN, Infinity, comments and trailing commas are not); ${fix}`,
    ]);
  }
  if (!isObject(body)) throw new InvalidRequestError([`the body is not a JSON object; ${fix}`]);
  return body;
}

/** What is said of fields that nobody asked for. */
export function unknownFields(body: JsonObject, known: readonly string[]): readonly string[] {
  let problems: string[] | undefined;
  for (const name of Object.keys(body)) {
    if (known.includes(name)) continue;
    problems ??= [];
    problems.push(`${JSON.stringify(name.slice(0, 80))}: is not a known field; remove it`);
  }
  return problems ?? none;
}
const none: readonly string[] = [];

/**
 * Parses a body that must be a JSON object with one field, and perhaps some that change nothing.
 * @throws InvalidRequestError naming what is wrong and what to send, quoting nothing of the body.
 */
export function parseJsonBody(
  text: string,
  field: string,
  example: string,
  tolerated: readonly string[] = [],
): JsonObject {
  const body = parseJsonObject(text, example);
  const isThere = Object.hasOwn(body, field);
  const missing = isThere ? none : [`${field}: is missing; send ${example}`];
  const problems = [...missing, ...unknownFields(body, [field, ...tolerated])];
  if (problems.length > 0) throw new InvalidRequestError(problems);
  return body;
}

/** Index of the quote that closes the string opened at `start`. */
function closingQuote(text: string, start: number): number {
  let end = text.indexOf('"', start + 1);
  for (;;) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === 92) backslashes++;
    if (backslashes % 2 === 0) return end;
    end = text.indexOf('"', end + 1);
  }
}

/**
 * How many keys a valid JSON text writes down. A key that an object holds twice is parsed once, so
 * that comparing this with the number of parsed keys finds it, which JSON.parse alone does not.
 */
export function writtenKeys(text: string): number {
  let keys = 0;
  for (let i = text.indexOf('"'); i !== -1; i = text.indexOf('"', i)) {
    i = closingQuote(text, i) + 1;
    while (text.charCodeAt(i) <= 32) i++;
    if (text.charCodeAt(i) === 58) keys++;
  }
  return keys;
}
