import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { findBrowser, screenshot } from '../../cli/screenshot.ts';

let folder: string;
const path = process.env['PATH'];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-screenshot-'));
  process.env['PATH'] = folder;
});
afterEach(() => {
  process.env['PATH'] = path;
  rmSync(folder, { recursive: true, force: true });
});

/** A program in the browser's place. */
function browser(script: string): void {
  const program = join(folder, 'chromium');
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
}
const take = () => screenshot('http://127.0.0.1:1/', join(folder, 'page.png'), { width: 800 });

describe('a picture of a page', () => {
  it('is taken without a window, in a profile that is gone afterwards', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: the shell's own
    browser('for a; do case $a in --screenshot=*) echo "$@" > "${a#--screenshot=}";; esac; done');
    expect(await take()).toBe(join(folder, 'page.png'));
    const said = readFileSync(join(folder, 'page.png'), 'utf8');
    expect(said).toContain('--headless');
    expect(said).toContain('--window-size=800,2000');
    expect(said.trim().endsWith('http://127.0.0.1:1/')).toBe(true);
    const profile = said.match(/--user-data-dir=(\S+)/)?.[1] ?? '';
    expect(() => readFileSync(profile)).toThrow(/ENOENT/);
  });

  it('is not there where the browser made none, and an older one is not taken for it', async () => {
    browser('exit 1');
    writeFileSync(join(folder, 'page.png'), 'of yesterday');
    expect(await take()).toBeUndefined();
  });

  it('needs a browser of this machine, on the path or where macOS has it', () => {
    expect(findBrowser(folder, [])).toBeUndefined();
    browser('exit 0');
    expect(findBrowser(`/nowhere:${folder}`, [])).toBe(join(folder, 'chromium'));
    expect(findBrowser('', [join(folder, 'chromium')])).toBe(join(folder, 'chromium'));
  });
});
