import type * as z from 'zod';
import { type DuckdbDatabase, withDuckdb } from '../../adapters/duckdb-database.ts';
import {
  type CheckedFile,
  checkTable,
  checkTogether,
} from '../../adapters/duckdb-dataset-checks.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { type SnapshotFile, snapshotId } from '../../core/datasets/snapshot.ts';
import {
  type FileReport,
  type Finding,
  reportKey,
  type ValidationReport,
} from '../../core/datasets/validation-report.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { isLabelledDrop } from '../../core/monitoring/training-rows.ts';
import { loadSnapshotFile, readManifest } from './snapshot-tables.ts';
import type { ValidateSnapshotResult } from './validate-snapshot.contract.ts';

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
  return {
    table,
    findings: [
      ...tooFewRows(table.rows, file.key, definition),
      ...(await checkTable(database, definition, table)),
    ],
  };
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
