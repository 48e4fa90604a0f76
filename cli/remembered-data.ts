// Which file a model was made from: on this machine only, because another has it elsewhere.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { usageError } from './command-error.ts';
import { repositoryRoot } from './laptop-file.ts';

const noteOf = (model: string): string => join(repositoryRoot, '.slipway', 'data', `${model}.txt`);

/** Keeps a file's path for the next time. */
export function rememberData(model: string, path: string): void {
  const note = noteOf(model);
  mkdirSync(dirname(note), { recursive: true });
  writeFileSync(note, `${resolve(path)}\n`);
}

/**
 * The file that is named, or the one that was last time.
 * @throws CommandError where there is none
 */
export function dataOf(model: string, named: string | undefined): string {
  const note = noteOf(model);
  const remembered = existsSync(note) ? readFileSync(note, 'utf8').trim() : undefined;
  const path = named === undefined ? remembered : resolve(named);
  if (path === undefined) {
    throw usageError(
      `no file of rows is known for '${model}'; name one with --data, as in --data rows.csv`,
    );
  }
  if (existsSync(path)) return path;
  throw usageError(
    named === undefined
      ? `${path}, which '${model}' was made from, is gone; name another file with --data`
      : `there is no file ${path}; name the file of rows with --data`,
  );
}
