import { styleText } from 'node:util';

/** Where a command writes: results to standard output, progress to standard error. */
export interface Terminal {
  readonly json: boolean;
  /** The command's result: lines for people, or with --json one JSON document. */
  result(value: unknown, lines: readonly string[]): void;
  /** A line of progress. */
  note(text: string): void;
}

type Style = Parameters<typeof styleText>[0];

/** Colours only on a terminal that wants them (NO_COLOR and the like are honoured). */
export const styled = (style: Style, text: string): string =>
  styleText(style, text, { stream: process.stdout, validateStream: true });

/** A reader that has seen enough, as in `| head`, is no failure: what comes after is written to nobody. */
export function tolerateClosedPipes(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
    });
  }
}

export function processTerminal(json: boolean): Terminal {
  return {
    json,
    result(value, lines) {
      process.stdout.write(json ? `${JSON.stringify(value, null, 2)}\n` : `${lines.join('\n')}\n`);
    },
    note(text) {
      process.stderr.write(`${text}\n`);
    },
  };
}

/** Rows as aligned columns; the first row is the heading. */
export function columns(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length);
    });
  }
  return rows.map((row, n) => {
    const line = row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
      .join('  ')
      .trimEnd();
    return n === 0 ? styled('dim', line) : line;
  });
}

const announceAfterMs = 2_000;
const repeatEveryMs = 5_000;

/** A kilobyte is 1,000 bytes. */
export const sizeOf = (bytes: number): string =>
  bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/** Awaits work; says that it goes on when it takes more than 2 s, and how long it took. */
export async function withProgress<T>(
  terminal: Pick<Terminal, 'note'>,
  title: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  let ticker: NodeJS.Timeout | undefined;
  const first = setTimeout(() => {
    terminal.note(`  ${title} …`);
    ticker = setInterval(() => terminal.note(`  ${title} … ${seconds(elapsed())}`), repeatEveryMs);
  }, announceAfterMs);
  try {
    return await work();
  } finally {
    clearTimeout(first);
    clearInterval(ticker);
    if (ticker !== undefined) terminal.note(`  ${title}: ${seconds(elapsed())}`);
  }
}

const sayEveryMs = 10_000;

/** Awaits a long piece of work: says that it begins, every 10 s that it goes on, and how long it took. */
export async function inStep<T>(
  terminal: Pick<Terminal, 'note'>,
  title: string,
  work: () => Promise<T>,
): Promise<T> {
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  terminal.note(`  ${title} …`);
  const ticker = setInterval(
    () => terminal.note(`  ${title} … ${Math.round(elapsed() / 1_000)} s`),
    sayEveryMs,
  );
  try {
    const result = await work();
    terminal.note(`  ${title}: ${seconds(elapsed())}`);
    return result;
  } finally {
    clearInterval(ticker);
  }
}
