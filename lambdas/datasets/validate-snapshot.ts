import type { z } from 'zod';
import { findBrokenCells } from '../../adapters/duckdb-cell-rules.ts';
import { type DuckdbDatabase, withDuckdb } from '../../adapters/duckdb-database.ts';
import { extent, type TypedTable, typedColumns } from '../../adapters/duckdb-typed-tables.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { cellRules } from '../../core/datasets/cell-rules.ts';
import { type SnapshotFile, snapshotId } from '../../core/datasets/snapshot.ts';
import { checkSides, type SideCounts } from '../../core/datasets/split-checks.ts';
import {
  type FileReport,
  type Finding,
  reportKey,
  type ValidationReport,
} from '../../core/datasets/validation-report.ts';
import { holdoutColumn, holdoutTest } from '../../core/features/holdout.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { isLabelledDrop } from '../../core/monitoring/training-rows.ts';
import { loadSnapshotFile, readManifest } from './snapshot-tables.ts';
import type { ValidateSnapshotResult } from './validate-snapshot.contract.ts';

interface CheckedFile {
  readonly table: TypedTable | undefined;
  readonly findings: readonly Finding[];
}

function tooFewRows(rows: number, key: string, { name, data }: ModelDefinition): Finding[] {
  const { checks } = data;
  // A dropped file with few rows is one that was cut off; labelled predictions come as they come.
  if (rows >= checks.minimumRows || isLabelledDrop(name, key)) return [];
  const message = `the file has ${rows} rows and must have at least ${checks.minimumRows}; drop it with more rows, or change data.checks.minimumRows in model.ts`;
  return [{ rule: 'minimum_rows', count: 1, message, examples: [] }];
}

async function checkFile(
  data: S3Objects,
  database: DuckdbDatabase,
  definition: ModelDefinition,
  file: SnapshotFile,
  name: string,
): Promise<CheckedFile> {
  const { columns } = definition.data;
  const table = await loadSnapshotFile(data, database, file, { table: name, columns });
  if ('unreadable' in table) return { table: undefined, findings: [table.unreadable] };
  const cells = await findBrokenCells(database, table, cellRules(definition), columns);
  return {
    table,
    findings: [...tooFewRows(table.rows, file.key, definition), ...table.findings, ...cells],
  };
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
async function checkTogether(
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

function checkAll(
  data: S3Objects,
  definition: ModelDefinition,
  files: readonly SnapshotFile[],
): Promise<FileReport[]> {
  return withDuckdb(async (database) => {
    const checked: CheckedFile[] = [];
    for (const [i, file] of files.entries()) {
      checked.push(await checkFile(data, database, definition, file, `file_${i}`));
    }
    const together = await checkTogether(database, definition, checked);
    return files.map(({ key, versionId, sha256, bytes }, i) => {
      const finding = together[i];
      return {
        ...{ key, versionId, sha256, bytes },
        rows: checked[i]?.table?.rows ?? null,
        findings: [...(checked[i]?.findings ?? []), ...(finding ? [finding] : [])],
      };
    });
  });
}

/** Checks every file of a snapshot against the model's declared data, and writes the report. */
export async function validateSnapshot(
  data: S3Objects,
  definition: ModelDefinition,
  manifestKey: string,
): Promise<z.infer<typeof ValidateSnapshotResult>> {
  const manifest = await readManifest(data, manifestKey);
  const id = snapshotId(manifest);
  const files = await checkAll(data, definition, manifest.files);
  const invalidFiles = files.filter(({ findings }) => findings.length > 0).length;
  const outcome = invalidFiles > 0 ? 'invalid' : 'valid';
  const report: ValidationReport = {
    model: definition.name,
    snapshotId: id,
    manifestKey,
    outcome,
    files,
  };
  const key = reportKey(definition.name, id);
  await data.putJson(key, report);
  return { outcome, reportKey: key, invalidFiles };
}
