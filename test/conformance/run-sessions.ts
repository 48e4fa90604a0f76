import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { root } from '../e2e/command-line.ts';
import type { Target } from './targets.ts';

/** One thing that a client was asked to do. */
export interface Check {
  readonly client: string;
  readonly check: string;
  readonly ok: boolean;
  /** What happened instead. */
  readonly detail?: string;
}

/** Has every client go through its sessions against a door, each in its own library. */
export function runSessions(target: Target): Promise<readonly Check[]> {
  const python = join(root, '.venv', 'conformance', 'bin', 'python');
  const script = join(import.meta.dirname, 'sessions.py');
  return new Promise((resolve, reject) => {
    const child = spawn(python, [script], { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.on('data', (chunk) => {
      stdout += chunk;
    });
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.on('error', reject);
    child.on('close', (code) => {
      const lines = stdout.split('\n').filter((line) => line.startsWith('{'));
      const checks = lines.map((line): Check => JSON.parse(line));
      if (code === 0 && checks.length > 0) resolve(checks);
      else reject(new Error(`the sessions ended with ${code}:\n${stdout}\n${stderr}`));
    });
    child.stdin.end(JSON.stringify(target));
  });
}
