import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, describe, expect, it } from 'vitest';
import { repositoryRoot } from '../../cli/laptop-file.ts';
import { inWorkFolder } from '../../cli/work-folder.ts';

const temporary = mkdtempSync(join(tmpdir(), 'slipway-work-'));
afterAll(() => rmSync(temporary, { recursive: true, force: true }));

const program = `
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { inWorkFolder } from '${join(repositoryRoot, 'cli', 'work-folder.ts')}';
await inWorkFolder('mine-', async ({ folder, stopped }) => {
  writeFileSync(folder + '/file', 'a');
  const stdio = ['ignore', 'inherit', 'inherit'];
  const child = spawn('sleep', ['300'], { stdio, signal: stopped, killSignal: 'SIGKILL' });
  child.on('error', () => undefined);
  console.log('ready');
  await new Promise((resolve) => child.on('close', resolve));
});`;

describe('a folder to work in', () => {
  it('is gone when the work is done, and when it failed', async () => {
    const kept = await inWorkFolder('slipway-done-', async ({ folder }) => {
      writeFileSync(join(folder, 'file'), 'a');
      return folder;
    });
    expect(existsSync(kept)).toBe(false);
    let failed = '';
    await expect(
      inWorkFolder('slipway-failed-', async ({ folder }) => {
        failed = folder;
        expect(existsSync(folder)).toBe(true);
        throw new Error('no');
      }),
    ).rejects.toThrow('no');
    expect(existsSync(failed)).toBe(false);
  });

  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('is gone after %s, with the process that works in it', async (signal, code) => {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      env: { ...process.env, TMPDIR: temporary },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    // When nobody has its output open any more: neither it nor the process that it started.
    const ended = new Promise((resolve) => child.on('close', resolve));
    await new Promise((resolve) => createInterface(child.stdout).once('line', resolve));
    expect(readdirSync(temporary)).toEqual([expect.stringMatching(/^mine-/)]);
    child.kill(signal);
    expect(await ended).toBe(code);
    expect(readdirSync(temporary)).toEqual([]);
  });
});
