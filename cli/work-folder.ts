import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export interface WorkFolder {
  readonly folder: string;
  /** Fires when this process is told to end: what works in the folder has to end with it. */
  readonly stopped: AbortSignal;
}

/** Works in a folder of its own that is gone afterwards: when all went well, after a failure and after Ctrl-C. */
export async function inWorkFolder<T>(
  prefix: string,
  work: (given: WorkFolder) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), prefix));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  const controller = new AbortController();
  const stop = (signal: NodeJS.Signals) => {
    controller.abort();
    process.exit(signal === 'SIGINT' ? 130 : 143);
  };
  process.once('exit', remove);
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, stop);
  try {
    return await work({ folder, stopped: controller.signal });
  } finally {
    remove();
    process.off('exit', remove);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, stop);
  }
}
