import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { findBrokenCells } from '../../adapters/duckdb-cell-rules.ts';
import { withDuckdb } from '../../adapters/duckdb-database.ts';
import { loadTypedTable, typedColumns } from '../../adapters/duckdb-typed-tables.ts';
import { cellRules } from '../../core/datasets/cell-rules.ts';
import type { Finding } from '../../core/datasets/validation-report.ts';
import type { RawValue } from '../../core/features/raw-values.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';

export interface ReadFile {
  readonly rows: number | null;
  readonly findings: readonly Finding[];
  readonly columns: Record<string, RawValue[]>;
}

/** Reads a file's bytes as the pipeline's steps do: all findings, and the values of all rows. */
export function readFile(
  definition: ModelDefinition,
  name: string,
  content: string | Uint8Array,
): Promise<ReadFile> {
  return withDuckdb(async (database) => {
    const path = join(database.folder, 'dropped');
    await writeFile(path, content);
    const { columns } = definition.data;
    const table = await loadTypedTable(database, { path, name }, columns, 'dropped');
    if ('unreadable' in table) return { rows: null, findings: [table.unreadable], columns: {} };
    const values: Record<string, RawValue[]> = Object.create(null);
    if (!table.findings.some(({ rule }) => rule === 'row_form')) {
      for await (const chunk of typedColumns(database, table, Object.keys(columns))) {
        for (const [column, some] of Object.entries(chunk.columns)) {
          values[column] ??= [];
          values[column].push(...some);
        }
      }
    }
    const cells = await findBrokenCells(database, table, cellRules(definition), columns);
    return { rows: table.rows, findings: [...table.findings, ...cells], columns: values };
  });
}

/** `column rule count` of each finding, sorted. */
export const told = ({ findings }: ReadFile): string[] =>
  findings.map(({ column, rule, count }) => `${column ?? '-'} ${rule} ${count}`).sort();
