/** Firehose takes records of at most 1,000 KiB. */
export const maximumRecordBytes = 1_000 * 1024;

export interface PackedLines {
  /** Newline-separated JSON, each record full of whole lines that end in a newline. */
  readonly records: readonly Buffer[];
  /** Lines that are larger than a record may be. */
  readonly oversized: number;
}

/** Packs values as JSON lines into as few records as their order allows. */
export function packLogLines(values: readonly unknown[], limit = maximumRecordBytes): PackedLines {
  const records: Buffer[] = [];
  let lines: Buffer[] = [];
  let bytes = 0;
  let oversized = 0;
  const flush = () => {
    if (lines.length > 0) records.push(Buffer.concat(lines, bytes));
    lines = [];
    bytes = 0;
  };
  for (const value of values) {
    const line = Buffer.from(`${JSON.stringify(value)}\n`);
    if (line.byteLength > limit) {
      oversized += 1;
      continue;
    }
    if (bytes + line.byteLength > limit) flush();
    lines.push(line);
    bytes += line.byteLength;
  }
  flush();
  return { records, oversized };
}
