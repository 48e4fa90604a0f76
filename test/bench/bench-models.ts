// The models, rows and answers that models.py writes.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Row } from './requests.ts';
import { root } from './server-process.ts';

export interface BenchModel {
  readonly name: string;
  readonly file: string;
  readonly onnx: Uint8Array;
  readonly rows: readonly Row[];
  /** Of ONNX Runtime for Python, one per row. */
  readonly answers: readonly number[];
}

const read = (folder: string, file: string) => JSON.parse(readFileSync(join(folder, file), 'utf8'));

export const modelNames = ['small', 'mid', 'forest'] as const;

/** Written by Python into the folder, in seconds; gives a reader of them. */
export async function writeModels(folder: string): Promise<(name: string) => BenchModel> {
  const python = join(root, '.venv', 'xgboost', 'bin', 'python');
  await promisify(execFile)(python, [join(root, 'test', 'bench', 'models.py'), folder]);
  const rows: readonly Row[] = read(folder, 'rows.json');
  return (name) => {
    const file = join(folder, `${name}.onnx`);
    return { name, file, onnx: readFileSync(file), rows, answers: read(folder, `${name}.json`) };
  };
}
