// `slipway` as a user runs it: a process, its output, its exit code.
import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');
const script = join(root, 'bin', 'slipway.mjs');

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly child: ChildProcess;
  /** Resolves with the first match in what the command wrote so far or writes from now on. */
  saying(pattern: RegExp): Promise<RegExpExecArray>;
  readonly finished: Promise<Finished>;
  /** As Ctrl-C does: to the command and everything that shares its terminal. */
  interrupt(): void;
}

/** Starts a command as the leader of a process group. */
export function startSlipway(
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): Started {
  const child = spawn(process.execPath, [script, ...args], {
    // Not the repository: a user calls it from anywhere.
    cwd: tmpdir(),
    env: { ...process.env, NO_COLOR: '1', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  let stdout = '';
  let stderr = '';
  const watchers = new Set<() => void>();
  const tell = () => {
    for (const watch of watchers) watch();
  };
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
    tell();
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
    tell();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      resolve({ code, stdout, stderr });
      tell();
    });
  });
  return {
    child,
    finished,
    interrupt: () => {
      if (child.pid !== undefined) process.kill(-child.pid, 'SIGINT');
    },
    saying: (pattern) =>
      new Promise((resolve, reject) => {
        const watch = () => {
          const match = pattern.exec(`${stdout}\n${stderr}`);
          if (match) resolve(match);
          else if (child.exitCode !== null) {
            reject(new Error(`slipway ${args.join(' ')} ended early:\n${stdout}\n${stderr}`));
          } else return;
          watchers.delete(watch);
        };
        watchers.add(watch);
        watch();
      }),
  };
}

/** Runs a command to its end. */
export const slipway = (...args: string[]): Promise<Finished> => startSlipway(args).finished;
