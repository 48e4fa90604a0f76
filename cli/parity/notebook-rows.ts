import { existsSync, statSync } from 'node:fs';
import {
  type LocalTable,
  LocalTableError,
  readHeader,
  readLocalTable,
} from '../../adapters/duckdb-local-table.ts';
import type { RawColumns, RawValue } from '../../core/features/raw-values.ts';
import {
  type MatchedRow,
  type MatchedRows,
  matchRows,
} from '../../core/inference/parity/match-rows.ts';
import type { Signature } from '../../core/inference/signature.ts';
import type { Column } from '../../core/model/column.ts';
import { usageError } from '../command-error.ts';
import {
  type Headers,
  keyColumn,
  keyOf,
  looseColumn,
  type NotebookFiles,
  predictionColumn,
  requireInputs,
} from './notebook-files.ts';

/** Rows that the notebook predicted, with their inputs as the pipeline reads them. */
export interface NotebookRows {
  /** Of the predictions. */
  readonly column: string;
  /** null where the rows are named by their place in the file. */
  readonly key: string | null;
  readonly keys: readonly string[];
  readonly expected: readonly number[];
  /** Empty where no label was asked for. */
  readonly labels: readonly (number | null)[];
  readonly inputs: RawColumns;
  /** What became of the rows that are not here; undefined where nothing was joined. */
  readonly join?: Pick<MatchedRows, 'predictions' | 'data'>;
  readonly rowsWithoutPrediction: number;
}

async function readable<T>(path: string, read: () => Promise<T>): Promise<T> {
  if (!existsSync(path)) throw usageError(`there is no file ${path}`);
  if (!statSync(path).isFile()) throw usageError(`${path} is not a file`);
  try {
    return await read();
  } catch (error) {
    if (error instanceof LocalTableError) throw usageError(error.message);
    throw error;
  }
}

async function readHeaders(files: NotebookFiles, signature: Signature): Promise<Headers> {
  const named = [files.key, files.column, files.label].filter((name) => name !== undefined);
  const declared = [...signature.inputs, ...signature.passthrough].map(({ name }) => name);
  const known = [...declared, ...named, 'prediction', 'score', 'proba', 'id', 'key'];
  const header = (path: string) => readable(path, () => readHeader(path, known));
  const { data, predictions } = files;
  return {
    predictions: await header(predictions),
    ...(data !== undefined && { data: await header(data) }),
  };
}

/** Every row of the one file, by its key or its place. */
function namedRows(rows: number, keys: readonly RawValue[] | undefined): MatchedRow[] {
  return Array.from({ length: rows }, (_, row) => ({
    key: String(keys?.[row] ?? `row ${row + 1}`),
    prediction: row,
    data: row,
  }));
}

function labelNumber(value: RawValue | undefined): number | null {
  if (value === null || value === undefined || value === '') return null;
  const text = String(value).trim().toLowerCase();
  const number = text === 'true' ? 1 : text === 'false' ? 0 : Number(text);
  return Number.isFinite(number) ? number : null;
}

interface Tables {
  readonly predictions: LocalTable;
  readonly data?: LocalTable | undefined;
}

function labelsOf(
  { data, predictions }: Tables,
  label: string,
  matched: readonly MatchedRow[],
): (number | null)[] {
  const own = predictions.columns[label];
  const values = own ?? data?.columns[label];
  if (!values) throw usageError(`no file has the column '${label}' that --label names`);
  return matched.map((row) => labelNumber(values[own ? row.prediction : row.data]));
}

interface Chosen {
  readonly column: string;
  readonly key: string | null;
  readonly label: string | undefined;
}

/** Puts predictions and inputs beside each other; a row without a prediction is left out. */
function rowsOf(
  tables: Tables,
  signature: Signature,
  { column, key, label }: Chosen,
): NotebookRows {
  const { data, predictions } = tables;
  const keys = key === null ? undefined : predictions.columns[key];
  const join = data && key !== null ? matchRows(keys ?? [], data.columns[key] ?? []) : undefined;
  const named = join?.matched ?? namedRows(predictions.rows, keys);
  const values = predictions.columns[column] ?? [];
  const matched = named.filter(({ prediction }) => typeof values[prediction] === 'number');
  const source = (data ?? predictions).columns;
  return {
    column,
    key,
    keys: matched.map((row) => row.key),
    expected: matched.map(({ prediction }) => Number(values[prediction])),
    labels: label === undefined ? [] : labelsOf(tables, label, matched),
    inputs: Object.fromEntries(
      signature.inputs.map(({ name }) => [
        name,
        matched.map((row) => source[name]?.[row.data] ?? null),
      ]),
    ),
    ...(join && { join: { predictions: join.predictions, data: join.data } }),
    rowsWithoutPrediction: named.length - matched.length,
  };
}

/**
 * The notebook's predictions with the rows that they are about, joined by key where those are in a file
 * of their own.
 * @throws CommandError naming what is missing, with the columns there are.
 */
export async function readNotebookRows(
  files: NotebookFiles,
  signature: Signature,
): Promise<NotebookRows> {
  const headers = await readHeaders(files, signature);
  requireInputs(headers, signature, files);
  const key = keyOf(headers, signature, files);
  const declared = [...signature.inputs, ...signature.passthrough].map(({ name }) => name);
  const taken = new Set([...declared, key ?? '', files.label ?? '']);
  const column = predictionColumn(headers.predictions, files, taken);
  // Without their rules: a value that breaks one is the version's to refuse.
  const inputs = Object.fromEntries(
    signature.inputs.map(({ name, sensitive, type }) => [
      name,
      { type, sensitive, nullable: true },
    ]),
  );
  const columnsIn = (of: keyof Headers): Record<string, Column> => {
    const header = headers[of] ?? new Map();
    const { label } = files;
    return {
      ...((of === 'data') === (files.data !== undefined) ? inputs : {}),
      ...(key !== null && { [key]: keyColumn(key, signature, header) }),
      ...(label !== undefined && header.has(label) && { [label]: looseColumn(header, label) }),
      ...(of === 'predictions' && {
        [column]: { type: 'number', nullable: true, sensitive: false },
      }),
    };
  };
  const table = (path: string, of: keyof Headers) =>
    readable(path, () => readLocalTable(path, columnsIn(of)));
  const predictions = await table(files.predictions, 'predictions');
  const data = files.data === undefined ? undefined : await table(files.data, 'data');
  return rowsOf({ predictions, data }, signature, { column, key, label: files.label });
}
