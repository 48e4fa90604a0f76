import { existsSync, statSync } from 'node:fs';
import { basename } from 'node:path';
import type { S3Objects } from '../adapters/s3-objects.ts';
import { usageError } from './command-error.ts';
import { seconds, type Terminal, withProgress } from './terminal.ts';

export const formats = [
  '.csv',
  '.csv.gz',
  '.jsonl',
  '.jsonl.gz',
  '.ndjson',
  '.ndjson.gz',
  '.parquet',
];

/** @throws CommandError naming every file that is missing or of another format, and equal names. */
export function checkFiles(files: readonly string[]): void {
  for (const file of files) {
    if (!existsSync(file)) throw usageError(`there is no file ${file}`);
    if (!statSync(file).isFile()) throw usageError(`${file} is not a file; name the files in it`);
    if (!formats.some((format) => file.toLowerCase().endsWith(format))) {
      throw usageError(`${file} is of an unknown format; files end in ${formats.join(', ')}`);
    }
  }
  const names = files.map((file) => basename(file));
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw usageError(`two files are named ${twice}; in landing one would replace the other`);
  }
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

export interface Dropped {
  readonly key: string;
  readonly sha256: string;
  readonly bytes: number;
}

/** Uploads files, to a model's landing folder unless told otherwise; S3 checks each one's SHA-256. */
export async function uploadFiles(
  data: S3Objects,
  model: string,
  files: readonly string[],
  terminal: Pick<Terminal, 'note'>,
  keyOf = async (file: string): Promise<string> => `landing/${model}/${basename(file)}`,
): Promise<Dropped[]> {
  const dropped: Dropped[] = [];
  for (const file of files) {
    const key = await keyOf(file);
    const startedAt = performance.now();
    const { sha256, bytes } = await withProgress(terminal, `uploading ${basename(file)}`, () =>
      data.upload(file, key),
    );
    dropped.push({ key, sha256, bytes });
    const took = seconds(performance.now() - startedAt);
    terminal.note(`  ${key}  ${megabytes(bytes)}  ${took}  (${dropped.length}/${files.length})`);
  }
  return dropped;
}
