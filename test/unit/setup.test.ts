import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..', '..');
let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-setup-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const waiting = (name: string) => `
import { writeFileSync } from 'node:fs';
process.on('SIGTERM', () => {
  writeFileSync(${JSON.stringify(name)}, 'ended');
  process.exit();
});
writeFileSync(${JSON.stringify(`${name}.ready`)}, '');
setInterval(() => undefined, 1_000);
`;

async function comesToExist(path: string): Promise<void> {
  while (!existsSync(path)) await sleep(50);
}

describe('a command of npm', () => {
  it("ends with npm's shell, which passes no signal on", async () => {
    const script = join(folder, 'script.mjs');
    const ended = join(folder, 'ended');
    writeFileSync(script, waiting(ended));
    const command = `"${process.execPath}" bin/setup.mjs "${relative(root, script)}"; true`;
    const shell = spawn('sh', ['-c', command], {
      cwd: root,
      env: { ...process.env, npm_lifecycle_event: 'local' },
      stdio: 'ignore',
    });
    await comesToExist(`${ended}.ready`);
    shell.kill('SIGTERM');
    await once(shell, 'exit');
    await comesToExist(ended);
    expect(existsSync(ended)).toBe(true);
  }, 60_000);
});
