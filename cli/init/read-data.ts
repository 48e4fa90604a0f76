import { existsSync, statSync } from 'node:fs';
import { summariseFile, UnusableFileError } from '../../adapters/duckdb-column-summaries.ts';
import type { DuckdbDatabase } from '../../adapters/duckdb-database.ts';
import { mostColumns } from '../../core/model/data-section.ts';
import { UnusableDataError } from '../../core/model/infer-label.ts';
import { nearestNames } from '../../core/model/nearest-names.ts';
import { usageError } from '../command-error.ts';
import { checkFiles } from '../drop-files.ts';

export interface DataOptions {
  readonly data: string;
  readonly label: string;
  readonly key?: string;
  readonly time?: string;
  /** The only columns that are wanted; the label, key and time are always. */
  readonly columns?: readonly string[];
}

/** What is wrong with a file or its data is the caller's to mend. */
export function asUsageError(error: unknown): unknown {
  const isTheirs = error instanceof UnusableFileError || error instanceof UnusableDataError;
  return isTheirs ? usageError(error.message) : error;
}

function checkFile(file: string): void {
  if (existsSync(file) && /\.json$/i.test(file)) {
    throw usageError(
      `${file} is of an unknown format; write it as JSON Lines, one object a line: df.to_json('${file}l', orient='records', lines=True)`,
    );
  }
  checkFiles([file]);
  if (statSync(file).size === 0) {
    throw usageError(`${file} is empty; write it again with a header and rows`);
  }
}

function chosenColumns(all: readonly string[], options: DataOptions): readonly string[] {
  const { columns, label, key, time } = options;
  if (columns) {
    const missing = columns.find((name) => !all.includes(name));
    if (missing !== undefined) {
      const [near] = nearestNames(missing, all);
      const advice = near === undefined ? '' : `; did you mean '${near}'?`;
      throw usageError(`--columns: ${options.data} has no column '${missing}'${advice}`);
    }
    const wanted = new Set([...columns, label, key, time]);
    return all.filter((name) => wanted.has(name));
  }
  if (all.length <= mostColumns) return all;
  const count = all.length.toLocaleString('en-US');
  throw usageError(
    `${options.data} has ${count} columns, and a model takes at most ${mostColumns.toLocaleString('en-US')}; ` +
      `name those that matter, as in --columns '${all.slice(0, 3).join(',')}', ` +
      'and a file with them alone is written for you',
  );
}

/**
 * Reads the file whole.
 * @throws CommandError with what is wrong with it, and the fix
 */
export async function readData(database: DuckdbDatabase, options: DataOptions) {
  checkFile(options.data);
  const { data, label, key, time } = options;
  const hints = [label, key, time, ...(options.columns ?? [])].filter((name) => name !== undefined);
  const file = await summariseFile(database, data, hints, (all) =>
    chosenColumns(all, options),
  ).catch((error: unknown) => {
    throw error instanceof UnusableFileError ? usageError(`${data}: ${error.message}`) : error;
  });
  const { count, firstLine } = file.brokenRows;
  if (count > 0) {
    throw usageError(
      `${data}: ${count} ${count === 1 ? 'row has' : 'rows have'} not the form of the others, the first in line ${firstLine}; ` +
        'it may have more or fewer fields than the header, or a quote that is not closed',
    );
  }
  if (file.rows === 0) {
    throw usageError(`${data} has a header and no rows; write it again with its rows`);
  }
  return file;
}
