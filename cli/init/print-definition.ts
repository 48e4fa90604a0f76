import type { Guess } from '../../core/model/infer-definition.ts';

const lineWidth = 100;
const identifier = /^[A-Za-z_$][A-Za-z0-9_$]*$/;

function text(value: string): string {
  const escaped = JSON.stringify(value).slice(1, -1).replaceAll('\\"', '"');
  // As the formatter does it: single quotes, unless that takes more escapes.
  return value.includes("'") && !value.includes('"')
    ? `"${escaped}"`
    : `'${escaped.replaceAll("'", "\\'")}'`;
}

const grouped = (value: number): string =>
  Number.isInteger(value) && Math.abs(value) >= 10_000
    ? String(value).replaceAll(/\B(?=(\d{3})+$)/g, '_')
    : String(value);

const keyOf = (name: string): string => (identifier.test(name) ? name : text(name));

function inline(value: unknown): string {
  if (typeof value === 'string') return text(value);
  if (typeof value === 'number') return grouped(value);
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (typeof value === 'object' && value !== null) {
    const fields = Object.entries(value).map(([name, field]) => `${keyOf(name)}: ${inline(field)}`);
    return fields.length === 0 ? '{}' : `{ ${fields.join(', ')} }`;
  }
  return String(value);
}

/**
 * A plain value as TypeScript, formatted as this project is, with a comment at the end of each line that
 * was guessed. Guesses are found by their path, as in data.columns.age.
 */
export function printDefinition(
  value: Readonly<Record<string, unknown>>,
  guesses: readonly Guess[],
): string {
  const whyOf = new Map(guesses.map(({ path, why }) => [path, why]));
  const isGuessedInside = (path: string): boolean =>
    guesses.some((guess) => guess.path.startsWith(`${path}.`));
  const isObject = (field: unknown): field is object =>
    typeof field === 'object' && field !== null && !Array.isArray(field);
  const entries = (fields: object, path: string, indent: string): string[] =>
    Object.entries(fields).flatMap(([name, field]) =>
      entry(name, field, path === '' ? name : `${path}.${name}`, indent),
    );
  function inside(field: unknown, path: string, indent: string): string[] | undefined {
    if (Array.isArray(field)) return field.map((each) => `${indent}${inline(each)},`);
    return isObject(field) ? entries(field, path, indent) : undefined;
  }
  function entry(name: string, field: unknown, path: string, indent: string): string[] {
    const why = whyOf.get(path);
    const comment = why === undefined ? '' : `// guess: ${why.replaceAll(/\s+/g, ' ')}`;
    const ending = comment && ` ${comment}`;
    const line = `${indent}${keyOf(name)}: ${inline(field)},`;
    const fits = line.length <= lineWidth && !(isObject(field) && isGuessedInside(path));
    const lines = fits ? undefined : inside(field, path, `${indent}  `);
    if (lines === undefined) return [line + ending];
    const [open, close] = Array.isArray(field) ? '[]' : '{}';
    // Behind an opening bracket the formatter would move it here.
    const first = comment ? [`${indent}  ${comment}`] : [];
    return [`${indent}${keyOf(name)}: ${open}`, ...first, ...lines, `${indent}${close},`];
  }
  return `{\n${entries(value, '', '  ').join('\n')}\n}`;
}
