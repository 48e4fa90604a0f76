import { cellRules } from '../core/datasets/cell-rules.ts';
import { checkSides, type SideCounts } from '../core/datasets/split-checks.ts';
import type { Finding } from '../core/datasets/validation-report.ts';
import { holdoutColumn, holdoutTest } from '../core/features/holdout.ts';
import type { ModelDefinition } from '../core/model/define-model.ts';
import { findBrokenCells } from './duckdb-cell-rules.ts';
import type { DuckdbDatabase } from './duckdb-database.ts';
import { extent, type TypedTable, typedColumns } from './duckdb-typed-tables.ts';

/** A file's rows, unless it cannot be read, and what is wrong with them. */
export interface CheckedFile {
  readonly table: TypedTable | undefined;
  readonly findings: readonly Finding[];
}

/** What a file alone has to be: of the declared columns, its values within their rules. */
export async function checkTable(
  database: DuckdbDatabase,
  definition: ModelDefinition,
  table: TypedTable,
): Promise<Finding[]> {
  const { columns } = definition.data;
  const cells = await findBrokenCells(database, table, cellRules(definition), columns);
  return [...table.findings, ...cells];
}

async function countSides(
  database: DuckdbDatabase,
  definition: ModelDefinition,
  table: TypedTable,
  newest: number | null,
): Promise<SideCounts> {
  const column = holdoutColumn(definition);
  const { label } = definition.data;
  const isHoldout = holdoutTest(definition, newest);
  const counts = { train: new Map<string, number>(), holdout: new Map<string, number>() };
  const binary = definition.evaluation.task === 'binary_classification';
  for await (const { rows, columns } of typedColumns(database, table, [column, label])) {
    for (let row = 0; row < rows; row += 1) {
      const side = isHoldout(columns, row) ? counts.holdout : counts.train;
      const key = binary ? String(columns[label]?.[row]) : '';
      side.set(key, (side.get(key) ?? 0) + 1);
    }
  }
  return counts;
}

/** What all files together have to be, which is asked once each of them is right. */
export async function checkTogether(
  database: DuckdbDatabase,
  definition: ModelDefinition,
  files: readonly CheckedFile[],
): Promise<(Finding | undefined)[]> {
  const tables = files.flatMap(({ table, findings }) => (table && !findings[0] ? [table] : []));
  if (tables.length < files.length) return [];
  const { holdout } = definition.evaluation;
  const newest =
    holdout.by === 'time'
      ? ((await extent(database, tables, holdoutColumn(definition)))?.largest ?? null)
      : null;
  const sides: SideCounts[] = [];
  for (const table of tables) sides.push(await countSides(database, definition, table, newest));
  return checkSides(definition, sides);
}
