// Asks the lifter, which is Python, because only Python reads Python. It runs nothing of the notebook.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import * as z from 'zod';
import type { ColumnType } from '../../core/model/column.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { outputOf } from '../child-output.ts';
import { CommandError, usageError } from '../command-error.ts';
import { repositoryRoot } from '../laptop-file.ts';

const lifter = join(repositoryRoot, 'cli', 'notebook', 'lift.py');
const python = join(repositoryRoot, '.venv', 'local', 'bin', 'python');

/** A statement of the notebook: cells of code are counted from the top, lines within their cell. */
const Place = z.strictObject({ cell: z.int(), line: z.int(), code: z.string() });

const NotebookHoldout = z.discriminatedUnion('by', [
  z.strictObject({
    by: z.literal('days'),
    column: z.string(),
    days: z.number(),
    /** Whether a row that is exactly so old is held out. */
    inclusive: z.boolean(),
    cell: z.int(),
    line: z.int(),
  }),
  z.strictObject({
    by: z.literal('after'),
    column: z.string(),
    instant: z.string(),
    inclusive: z.boolean(),
    cell: z.int(),
    line: z.int(),
  }),
  z.strictObject({
    by: z.literal('column'),
    column: z.string(),
    value: z.union([z.string(), z.number(), z.boolean()]),
    cell: z.int(),
    line: z.int(),
  }),
]);
export type NotebookHoldout = z.infer<typeof NotebookHoldout>;

export const Lifted = z.strictObject({
  /** Name of the model in the notebook, and the package that it is of. */
  model: z.string(),
  library: z.string(),
  /** Whether Python has to answer, and why. */
  container: z.boolean(),
  why: z.string().nullable(),
  /** Raw columns that the code reads, and whether it names each of them. */
  inputs: z.array(z.string()),
  inputsAreNamed: z.boolean(),
  hyperparameters: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])),
  /** Name of the file that it reads, where it says one. */
  readsFile: z.string().nullable(),
  /** Columns that the code reads, and that the data do not have. */
  unknownColumns: z.array(z.strictObject({ column: z.string(), cell: z.int(), line: z.int() })),
  trainPy: z.string(),
  featuresPy: z.string().nullable(),
  /** Packages by the names under which they are imported. */
  packages: z.array(z.string()),
  /** Columns of dates that are text to the notebook. */
  asText: z.array(z.string()),
  holdout: NotebookHoldout.nullable(),
  randomSplit: Place.nullable(),
  notes: z.array(z.string()),
  leftOut: z.array(Place.extend({ reason: z.string() })),
});
export type Lifted = z.infer<typeof Lifted>;
const Refused = z.strictObject({ error: z.string() });

export interface KnownTable {
  readonly columns: Readonly<Record<string, ColumnType>>;
  /** Columns of dates and times. */
  readonly instants: readonly string[];
  readonly label: string;
  /** Whether a probability is wanted, where the notebook does not say. */
  readonly classifies: boolean;
  readonly key: string | undefined;
  readonly time: string | undefined;
}

async function call(notebook: string, table: KnownTable): Promise<string> {
  const child = spawn(python, [lifter, notebook], { stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.end(JSON.stringify(table));
  const { code, output, errors } = await outputOf(child);
  if (code === 0) return output;
  throw new CommandError(
    `the notebook could not be read; this is a mistake in slipway:\n${errors}`,
  );
}

/** @throws CommandError with what is wrong with the notebook: cell, line and fix */
export async function liftNotebook(notebook: string, table: KnownTable): Promise<Lifted> {
  if (!existsSync(notebook)) throw usageError(`there is no file ${notebook}`);
  const reply: unknown = JSON.parse(await call(notebook, table));
  const refused = Refused.safeParse(reply);
  if (refused.success) throw usageError(refused.data.error);
  return parseDocument(Lifted, reply, 'what was lifted from the notebook');
}
