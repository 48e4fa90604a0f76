/** A field, and whether it was quoted: an empty one that was not is a missing value. */
export interface CsvField {
  readonly text: string;
  readonly isQuoted: boolean;
}

/** A text is no CSV; the message says where. */
export class CsvError extends Error {
  override readonly name = 'CsvError';
}

const quoted = /"((?:[^"]|"")*)"/y;
const plain = /[^",\r\n]*/y;
const separator = /,|\r\n|\n|\r|$/y;

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/**
 * The lines of a CSV text as RFC 4180 has it; a line end at the end is none. A library would bring more than
 * the two rules that there are.
 * @throws CsvError
 */
export function parseCsv(text: string): CsvField[][] {
  const lines: CsvField[][] = [];
  let line: CsvField[] = [];
  for (let at = 0; at < text.length || line.length > 0; ) {
    const inQuotes = text[at] === '"' ? matchAt(quoted, text, at) : null;
    const field = inQuotes ?? matchAt(plain, text, at);
    at += field?.[0].length ?? 0;
    const isQuoted = inQuotes !== null;
    line.push({
      text: isQuoted ? (inQuotes[1] ?? '').replaceAll('""', '"') : (field?.[0] ?? ''),
      isQuoted,
    });
    const end = matchAt(separator, text, at);
    if (!end)
      throw new CsvError(`line ${lines.length + 1} has a quote in a field, or none at its end`);
    at += end[0].length;
    if (end[0] === ',') continue;
    lines.push(line);
    line = [];
  }
  return lines;
}
