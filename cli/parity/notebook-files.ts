import { basename } from 'node:path';
import type { Header } from '../../adapters/duckdb-local-table.ts';
import type { Signature } from '../../core/inference/signature.ts';
import type { Column } from '../../core/model/column.ts';
import { usageError } from '../command-error.ts';

/** The files and columns that a person named; what they left out is found by name. */
export interface NotebookFiles {
  readonly predictions: string;
  readonly data?: string | undefined;
  readonly key?: string | undefined;
  readonly column?: string | undefined;
  readonly label?: string | undefined;
}

export interface Headers {
  readonly predictions: Header;
  /** Where the inputs are in a file of their own. */
  readonly data?: Header | undefined;
}

/** Names that notebooks give the column. */
const predictionNames =
  /^(prediction|predictions|predicted|pred|y_?pred|y_?hat|probability|probabilities|proba|prob|y_?proba|y_?prob|score|scores|p|p1|output)$/i;

const listed = (names: Iterable<string>): string =>
  [...names].slice(0, 30).join(', ') || 'none in common';

/** The column with the notebook's predictions. @throws CommandError naming the columns there are. */
export function predictionColumn(
  header: Header,
  { column }: Pick<NotebookFiles, 'column'>,
  taken: ReadonlySet<string>,
): string {
  const names = [...header.keys()];
  if (column !== undefined) {
    if (header.has(column)) return column;
    throw usageError(`there is no column '${column}'; the file has ${listed(names)}`);
  }
  const others = names.filter((name) => !taken.has(name));
  const named = others.filter((name) => predictionNames.test(name));
  const found = named.length > 0 ? named : others;
  const [only] = found;
  if (only !== undefined && found.length === 1) return only;
  throw usageError(
    `which column holds the notebook's predictions? Name it with --column; the file has ${listed(names)}`,
  );
}

/** As the file holds it. */
export function looseColumn(header: Header, name: string): Column {
  const storage = header.get(name);
  const native = typeof storage === 'object' ? storage.native : 'VARCHAR';
  const type = native === 'VARCHAR' ? 'string' : native === 'BOOLEAN' ? 'boolean' : 'number';
  return { type, nullable: true, sensitive: false };
}

/** In the declared type, so that 7 and 7.0 are one key; one that the model does not know as it is held. */
export function keyColumn(key: string, signature: Signature, header: Header): Column {
  const declared = [...signature.inputs, ...signature.passthrough].find(({ name }) => name === key);
  return declared
    ? { type: declared.type, nullable: true, sensitive: declared.sensitive }
    : looseColumn(header, key);
}

/**
 * The column by which predictions and data are joined; null where they are in one file whose rows have
 * no name.
 * @throws CommandError naming the columns there are.
 */
export function keyOf(
  { data, predictions }: Headers,
  signature: Signature,
  files: NotebookFiles,
): string | null {
  const { entityKey } = signature;
  const isShared = (name: string) => predictions.has(name) && (!data || data.has(name));
  if (files.key !== undefined) {
    if (isShared(files.key)) return files.key;
    const [path, header] = predictions.has(files.key)
      ? [files.data, data ?? predictions]
      : [files.predictions, predictions];
    throw usageError(
      `${basename(path ?? '')} has no column '${files.key}' to join by; it has ${listed(header.keys())}`,
    );
  }
  if (entityKey !== undefined && isShared(entityKey)) return entityKey;
  if (!data) return null;
  const taken = new Set([...signature.inputs.map(({ name }) => name), files.label, files.column]);
  const shared = [...predictions.keys()].filter((name) => isShared(name) && !taken.has(name));
  const [only] = shared;
  if (only !== undefined && shared.length === 1) return only;
  throw usageError(
    `by which column are the predictions joined with the data? Name it with --key; both files have: ${listed(shared)}`,
  );
}

/** @throws CommandError where the file with the inputs lacks some. */
export function requireInputs(headers: Headers, signature: Signature, files: NotebookFiles): void {
  const header = headers.data ?? headers.predictions;
  const missing = signature.inputs.flatMap(({ name }) => (header.has(name) ? [] : [name]));
  if (missing.length === 0) return;
  const fix =
    files.data === undefined
      ? 'name the file that has the rows with --data'
      : 'write all columns that the model takes';
  throw usageError(
    `${basename(files.data ?? files.predictions)} lacks ${missing.length} of the model's ${signature.inputs.length} columns: ${listed(missing)}; ${fix}`,
  );
}
