import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { nativeModules, type Platform } from './native-layer.ts';
import { workFolder } from './work-folder.ts';

const entry = join(import.meta.dirname, '..', '..', 'containers', 'inference-server', 'main.ts');

/**
 * What Node starts the server with. Requests are garbage within milliseconds: with room for more of them than 16 MB
 * the server takes 77 MB more memory, and no less time.
 */
export const serverNodeFlags = ['--max-semi-space-size=16'];

export interface ServerArchive {
  /** A tar with gzip: server.js, and the native modules beside it in node_modules. */
  readonly file: string;
  /** Of what is in it: two machines that pack the same give it one name. */
  readonly hash: string;
}

function compileServer(target: string): void {
  buildSync({
    entryPoints: [entry],
    outfile: target,
    bundle: true,
    platform: 'node',
    target: 'node24',
    // What starts is no module of a package, so that its type has to be the older one.
    format: 'cjs',
    minifySyntax: true,
    minifyWhitespace: true,
    external: ['onnxruntime-node'],
    logLevel: 'error',
  });
}

function contentHash(folder: string): string {
  const files = globSync('**/*', { cwd: folder, withFileTypes: true })
    .filter((found) => found.isFile())
    .map((found) => join(found.parentPath, found.name))
    .sort();
  const hash = createHash('sha256');
  for (const file of files) {
    const content = createHash('sha256').update(readFileSync(file)).digest('hex');
    hash.update(`${file.slice(folder.length)} ${content}\n`);
  }
  return hash.digest('hex');
}

const known = new Map<string, ServerArchive>();

/**
 * What a task of a model runs, as one file that it fetches at its start: nothing is built into an image.
 * @throws Error where this machine has no `tar`.
 */
export function serverArchive(platform: Platform): ServerArchive {
  const name = `server-${platform.os}-${platform.cpu}`;
  const made = known.get(name);
  if (made) return made;
  const folder = join(workFolder(), name);
  mkdirSync(folder, { recursive: true });
  compileServer(join(folder, 'server.js'));
  nativeModules('onnxruntime', platform, join(folder, 'node_modules'));
  const file = `${folder}.tgz`;
  // The variable keeps macOS from packing files of its own beside ours.
  const pack = ['COPYFILE_DISABLE=1', 'tar', '-czf', file, '-C', folder, '.'];
  const { error, status, stderr } = spawnSync('env', pack, { encoding: 'utf8' });
  if (error || status !== 0) {
    throw new Error(`tar could not pack the inference server: ${error?.message ?? stderr}`);
  }
  const archive = { file, hash: contentHash(folder) };
  known.set(name, archive);
  return archive;
}
