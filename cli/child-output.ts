import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';

/** A process whose output is read here. */
type Heard = ChildProcess & { readonly stdout: Readable; readonly stderr: Readable };

/** Awaits a process's end: its exit code (null where a signal ended it) and all that it said. */
export async function outputOf(child: Heard) {
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close') as Promise<[number | null]>,
  ]);
  return { code, output, errors };
}
