import { spawn } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome', 'chrome'];
const onMacOs = [
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
];
const limitMs = 60_000;

function isProgram(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A Chromium or Chrome of this machine; undefined where there is none. */
export function findBrowser(
  path = process.env['PATH'] ?? '',
  elsewhere: readonly string[] = onMacOs,
): string | undefined {
  const folders = path.split(delimiter).filter((folder) => folder !== '');
  const candidates = names.flatMap((name) => folders.map((folder) => join(folder, name)));
  return [...candidates, ...elsewhere].find(isProgram);
}

/**
 * Takes a picture (PNG) of a page with the browser of this machine.
 * @returns the file; undefined where there is no browser, or it made none.
 */
export async function screenshot(
  url: string,
  file: string,
  { width = 1_400, height = 2_000 }: { readonly width?: number; readonly height?: number } = {},
): Promise<string | undefined> {
  const browser = findBrowser();
  if (browser === undefined) return undefined;
  // A profile of its own: the reader's may be in use, and is none of ours.
  const profile = mkdtempSync(join(tmpdir(), 'slipway-browser-'));
  rmSync(file, { force: true });
  const flags = [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--no-first-run',
    '--disable-background-networking',
    '--hide-scrollbars',
    `--user-data-dir=${profile}`,
    `--window-size=${width},${height}`,
    `--screenshot=${file}`,
    url,
  ];
  const child = spawn(browser, flags, { stdio: 'ignore', timeout: limitMs, killSignal: 'SIGKILL' });
  await new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('close', () => resolve());
  });
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  return existsSync(file) ? file : undefined;
}
