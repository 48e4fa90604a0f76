// A file's rows as events of a model's stream.
import {
  type LocalTable,
  LocalTableError,
  readHeader,
  readLocalTable,
} from '../adapters/duckdb-local-table.ts';
import { instancesOf } from '../core/features/holdout-instances.ts';
import type { Signature, SignatureColumn } from '../core/inference/signature.ts';
import { usageError } from './command-error.ts';

export interface EventRow {
  readonly id: string;
  /** A CloudEvent. */
  readonly text: string;
}

/** Who made the events that this command sends. */
export const commandSource = '/slipway/command';

/** Columns of the file that an instance has; the others, and the label, stay behind. */
async function columnsIn(file: string, signature: Signature): Promise<SignatureColumn[]> {
  const declared = [...signature.inputs, ...signature.passthrough];
  const header = await readHeader(
    file,
    declared.map(({ name }) => name),
  );
  const missing = signature.inputs.filter(({ name, nullable }) => !nullable && !header.has(name));
  if (missing.length > 0) {
    const names = missing.map(({ name }) => name).join(', ');
    throw usageError(
      `${file} has no column ${names}, which the model takes; it has ${[...header.keys()].join(', ')}`,
    );
  }
  return declared.filter(({ name }) => header.has(name));
}

async function readTable(file: string, columns: readonly SignatureColumn[]): Promise<LocalTable> {
  // Without their rules: a value that breaks one is the version's to refuse.
  const types = columns.map(({ name, type, sensitive }) => [
    name,
    { type, sensitive, nullable: true },
  ]);
  return readLocalTable(file, Object.fromEntries(types));
}

/**
 * The rows of a file, each an event with the id `<run>-<row>`.
 * @throws CommandError naming file, column and value
 */
export async function eventRows(
  file: string,
  signature: Signature,
  run: string,
): Promise<EventRow[]> {
  try {
    const columns = await columnsIn(file, signature);
    const table = await readTable(file, columns);
    const rows = Array.from({ length: table.rows }, (_, row) => row);
    return instancesOf(columns, table.columns, rows).map((instance, row) => {
      // What a column that may be left out has no value for is left out.
      const data = Object.fromEntries(Object.entries(instance).filter(([, of]) => of !== null));
      const id = `${run}-${row + 1}`;
      const event = { specversion: '1.0', id, source: commandSource, type: 'slipway.row', data };
      return { id, text: JSON.stringify(event) };
    });
  } catch (error) {
    if (error instanceof LocalTableError) throw usageError(error.message);
    throw error;
  }
}
