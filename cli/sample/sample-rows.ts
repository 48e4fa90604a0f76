// A file's rows, checked as a drop would be, and written as a trainer reads them.
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { columnFile } from '../../adapters/duckdb-column-files.ts';
import { type DuckdbDatabase, withDuckdb } from '../../adapters/duckdb-database.ts';
import { checkTable, checkTogether } from '../../adapters/duckdb-dataset-checks.ts';
import {
  type DatasetRows,
  holdoutOf,
  type IsHoldout,
  trainingData,
} from '../../adapters/duckdb-training-data.ts';
import {
  keepSample,
  loadTypedTable,
  type TypedTable,
  typedColumns,
} from '../../adapters/duckdb-typed-tables.ts';
import type { Finding } from '../../core/datasets/validation-report.ts';
import type { FeatureSpec } from '../../core/features/feature-spec.ts';
import type { Signature } from '../../core/inference/signature.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { usageError } from '../command-error.ts';
import { describeFinding } from '../quarantined-files.ts';

export interface SampleRequest {
  readonly definition: ModelDefinition;
  /** The file of rows; its name says its form. */
  readonly data: string;
  /** How many of its rows, chosen at random, the same each time; all without it. */
  readonly rows?: number | undefined;
  /**
   * training: the rows must hold the rules of model.ts, and some are held out as it says · test: all are to
   * train on, and the raw columns are written too; of sensitive columns a sample has no values.
   */
  readonly use: 'training' | 'test';
}

/** A training's channels on this disk, and what was learned for them. */
export interface SampleChannels {
  readonly spec: FeatureSpec;
  readonly signature: Signature;
  /** Rows of the whole file, and of each side of the sample. */
  readonly rows: { readonly file: number; readonly train: number; readonly holdout: number };
  readonly trainFile: string;
  readonly holdoutFile: string;
}

const shownFindings = 10;

function refuse(data: string, findings: readonly Finding[]): void {
  if (findings.length === 0) return;
  const more = findings.length - shownFindings;
  throw usageError(
    [
      `${data} does not hold the rules of model.ts; a drop of it would go to quarantine:`,
      ...findings.slice(0, shownFindings).map(describeFinding),
      ...(more > 0 ? [`    and ${more} more findings`] : []),
    ].join('\n'),
  );
}

async function loadRows(
  database: DuckdbDatabase,
  { definition, data, rows, use }: SampleRequest,
): Promise<{ table: TypedTable; fileRows: number }> {
  const name = basename(data);
  // The database reads nothing outside its folder.
  const path = join(database.folder, name);
  await copyFile(data, path);
  const loaded = await loadTypedTable(database, { path, name }, definition.data.columns, 'rows_0');
  if ('unreadable' in loaded) throw usageError(`${data}: ${loaded.unreadable.message}`);
  if (use === 'test') {
    refuse(data, loaded.findings);
    return { table: loaded, fileRows: loaded.rows };
  }
  refuse(data, await checkTable(database, definition, loaded));
  const table =
    rows === undefined || rows >= loaded.rows ? loaded : await keepSample(database, loaded, rows);
  const [together] = await checkTogether(database, definition, [{ table, findings: [] }]);
  if (together) {
    const advice =
      table.rows < loaded.rows ? `; or take more rows than ${table.rows} of ${loaded.rows}` : '';
    throw usageError(`${data}: ${together.message}${advice}`);
  }
  return { table, fileRows: loaded.rows };
}

const nothingHeldOut: IsHoldout = () => false;

/** All columns but the label, as they are: a file as of a model that takes them, and what it says of them. */
async function writeRaw({ database, definition, tables }: DatasetRows, folder: string) {
  const columns = Object.entries(definition.data.columns)
    .filter(([name]) => name !== definition.data.label)
    .map(([name, { type }]) => ({ name, type }));
  const file = await columnFile(database, 'raw', columns);
  let first = 0;
  for (const table of tables) {
    const names = columns.map(({ name }) => name);
    for await (const chunk of typedColumns(database, table, names)) {
      const picked = Array.from({ length: chunk.rows }, (_, row) => row);
      const numbers = picked.map((row) => first + row);
      file.append({ columns: chunk.columns, picked, labels: picked.map(() => 0), numbers });
      first += chunk.rows;
    }
  }
  await mkdir(folder, { recursive: true });
  await copyFile(await file.finish(), join(folder, 'part-0.parquet'));
  await writeFile(join(folder, 'features.json'), JSON.stringify({ input: 'columns', columns }));
}

/** A made-up snapshot: what is learned from a sample is of no other. */
const snapshotId = '0'.repeat(64);

/**
 * Writes the channels `train`, `validation` and `features` below a folder, for tests `raw` besides.
 * @throws CommandError naming what of the file does not hold the rules of model.ts
 */
export function writeChannels(request: SampleRequest, folder: string): Promise<SampleChannels> {
  const { definition, use } = request;
  return withDuckdb(async (database) => {
    const { table, fileRows } = await loadRows(database, request);
    const rows: DatasetRows = { database, tables: [table], definition };
    const isHoldout = use === 'training' ? await holdoutOf(rows) : nothingHeldOut;
    const { spec, signature, files } = await trainingData(rows, isHoldout, snapshotId);
    const place = async (channel: string, name: string): Promise<string> => {
      await mkdir(join(folder, channel), { recursive: true });
      return join(folder, channel, name);
    };
    const trainFile = await place('train', 'part-0.parquet');
    const holdoutFile = await place('validation', 'part-0.parquet');
    const counted = { file: fileRows, train: files.train.rows, holdout: files.holdout.rows };
    await copyFile(await files.train.finish(), trainFile);
    if (counted.holdout > 0) await copyFile(await files.holdout.finish(), holdoutFile);
    await writeFile(await place('features', 'features.json'), JSON.stringify(spec));
    if (use === 'test') await writeRaw(rows, join(folder, 'raw'));
    return { spec, signature, rows: counted, trainFile, holdoutFile };
  });
}
