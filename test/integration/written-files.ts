const quoted = (value: unknown): string => `"${String(value).replaceAll('"', '""')}"`;

/** CSV as a spreadsheet writes it: every field quoted, lines that end in CR LF. */
export const asCsv = (rows: readonly object[]): string =>
  [Object.keys(rows[0] ?? {}), ...rows.map((row) => Object.values(row))]
    .map((fields) => `${fields.map(quoted).join(',')}\r\n`)
    .join('');

export const asLines = (rows: readonly object[]): string =>
  rows.map((row) => `${JSON.stringify(row)}\n`).join('');
