import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

let created: string | undefined;

/** Where assets wait until CDK has staged them; it goes with the process. */
export function workFolder(): string {
  if (created === undefined) {
    const folder = mkdtempSync(join(tmpdir(), 'slipway-assets-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    // Without a listener a signal ends the process with no 'exit'.
    for (const [signal, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      process.once(signal, () => process.exit(code));
    }
    created = folder;
  }
  return created;
}
