import type { SampleRow } from '../../adapters/duckdb-column-summaries.ts';
import type { InferredColumn } from '../../core/model/infer-columns.ts';

/** Enough to see both classes, few enough to read. */
export const sampleRows = 60;

function requestValue(text: string | null, { type }: InferredColumn): unknown {
  if (text === null) return null;
  if (type === 'integer' || type === 'number') return Number(text);
  if (type === 'boolean') return text.toLowerCase() === 'true' || text === '1';
  if (type === 'timestamp') return `${text.trim().replace(' ', 'T')}`;
  return text;
}

/** One row as a caller sends it, without the label. */
export function requestJson(
  columns: readonly InferredColumn[],
  inputs: ReadonlySet<string>,
  rows: readonly SampleRow[],
): string {
  // The row that says most: callers see what a full one looks like.
  const filled = (row: SampleRow) => row.filter((value) => value !== null).length;
  const [fullest = []] = [...rows].sort((a, b) => filled(b) - filled(a));
  const instance = Object.fromEntries(
    columns.flatMap((column, i) =>
      inputs.has(column.name)
        ? [[column.name, column.sensitive ? null : requestValue(fullest[i] ?? null, column)]]
        : [],
    ),
  );
  return `${JSON.stringify({ instances: [instance] }, null, 2)}\n`;
}

const cell = (value: string | null): string =>
  value !== null && (/[",\n\r]/.test(value) || value === '')
    ? `"${value.replaceAll('"', '""')}"`
    : (value ?? '');

/** The sample as CSV; the values of sensitive columns stay where they were. */
export function sampleCsv(columns: readonly InferredColumn[], rows: readonly SampleRow[]): string {
  const line = (values: readonly (string | null)[]) => values.map(cell).join(',');
  return `${[
    line(columns.map(({ name }) => name)),
    ...rows.map((row) => line(row.map((value, i) => (columns[i]?.sensitive ? null : value)))),
  ].join('\n')}\n`;
}
