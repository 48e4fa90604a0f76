import type * as z from 'zod';

/** A document from outside does not have the declared form. Every problem is named, not only the first. */
export class InvalidDocumentError extends Error {
  override readonly name = 'InvalidDocumentError';
  readonly problems: readonly string[];

  constructor(what: string, problems: readonly string[]) {
    super(`${what} is not valid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.problems = problems;
  }
}

type Path = readonly PropertyKey[];

const pathText = (path: Path): string =>
  path.length === 0
    ? '(root)'
    : path
        .map((key, i) => (typeof key === 'number' ? `[${key}]` : `${i ? '.' : ''}${String(key)}`))
        .join('');

const valueAt = (root: unknown, path: Path): unknown =>
  path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | undefined)?.[key],
    root,
  );

function shown(value: unknown): string {
  if (value === undefined) return 'nothing';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}

/** One line per problem: path, what is wrong and how to mend it, the value received. */
export function describeIssues(error: z.ZodError, root: unknown): string[] {
  return error.issues.map((issue) => {
    // Of a key that is wrong, it says what; the value under it is beside the point.
    const [message, received] =
      issue.code === 'invalid_key'
        ? [issue.issues.map((inner) => inner.message).join('; '), issue.path.at(-1)]
        : [issue.message, valueAt(root, issue.path)];
    return `${pathText(issue.path)}: ${message} (received ${shown(received)})`;
  });
}

/**
 * Parses a document against its schema.
 * @throws InvalidDocumentError naming each path, the value received and what is expected there.
 */
export function parseDocument<Schema extends z.ZodType>(
  schema: Schema,
  value: unknown,
  what: string,
): z.infer<Schema> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new InvalidDocumentError(what, describeIssues(result.error, value));
}
