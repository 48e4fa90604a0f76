// A virtual environment per rival under .venv/, from its lock; skipped where the lock has not changed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from './server-process.ts';

export type Rival = 'fastapi' | 'bentoml' | 'mlserver' | 'mlflow';

export const rivalFolder = (rival: Rival): string => join(root, 'test', 'bench', 'rivals', rival);

const environmentOf = (rival: Rival): string => join(root, '.venv', `bench-${rival}`);

/** A program of a rival's environment. */
export const rivalProgram = (rival: Rival, program: string): string =>
  join(environmentOf(rival), 'bin', program);

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (chunk: Buffer) => {
      said = (said + chunk.toString()).slice(-2_000);
    });
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ${args.join(' ')}\n${said}`)),
    );
  });
}

/** Says what it does, because it takes a minute. */
export async function installRival(rival: Rival): Promise<void> {
  const folder = environmentOf(rival);
  const stamp = join(folder, '.slipway-stamp');
  const lockFile = join(rivalFolder(rival), 'requirements.txt');
  const fingerprint = createHash('sha256').update(readFileSync(lockFile)).digest('hex');
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === fingerprint) return;
  const startedAt = Date.now();
  process.stderr.write(`  installs ${rival} into .venv/bench-${rival} …\n`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await run(process.env['PYTHON'] ?? 'python3', ['-m', 'venv', folder]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'];
  const locked = ['--require-hashes', '--only-binary', ':all:', '-r', lockFile];
  await run(join(folder, 'bin', 'python'), [...pip, ...locked]);
  writeFileSync(stamp, fingerprint);
  process.stderr.write(`  ${rival}: ${Math.round((Date.now() - startedAt) / 1000)} s\n`);
}
