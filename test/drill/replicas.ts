// Servers of the drill, and the load balancer's part: it asks each whether it is ready and sends to one that is.
import { join } from 'node:path';
import { setInterval as every } from 'node:timers/promises';
import { root, type ServerProcess, startServer } from '../bench/server-process.ts';

export interface Replica {
  readonly base: string;
  readonly process: ServerProcess;
  readonly logFile: string;
}

/** How a load balancer finds out; ours on AWS asks every 10 s and has the task deregistered first. */
const askEveryMs = 250;

export async function startReplica(
  name: string,
  port: number,
  env: Readonly<Record<string, string>>,
  folder: string,
): Promise<Replica> {
  const base = `http://127.0.0.1:${port}`;
  const logFile = join(folder, `${name}.log`);
  const started = await startServer({
    name,
    command: process.execPath,
    args: [
      ...['--import', join(root, 'test', 'drill', 'lose-worker.mjs')],
      join(root, 'containers', 'inference-server', 'main.ts'),
    ],
    env: { ...env, PORT: String(port), NODE_ENV: 'production' },
    cwd: folder,
    readyUrl: `${base}/v2/health/ready`,
    logFile,
  });
  return { base, process: started, logFile };
}

export interface Balancer {
  /** The oldest replica that is ready: who takes over is sent nothing before the other one says no. */
  readonly target: string | undefined;
  add(base: string): void;
  stop(): void;
}

async function isReady(base: string): Promise<boolean> {
  try {
    const reply = await fetch(`${base}/v2/health/ready`, { signal: AbortSignal.timeout(5_000) });
    await reply.arrayBuffer();
    return reply.status === 200;
  } catch {
    return false;
  }
}

export function startBalancer(): Balancer {
  const ready = new Map<string, boolean>();
  const ending = new AbortController();
  const ask = async (): Promise<void> => {
    for await (const _ of every(askEveryMs, undefined, { signal: ending.signal })) {
      await Promise.all(
        [...ready.keys()].map(async (base) => ready.set(base, await isReady(base))),
      );
    }
  };
  // It ends by being told to.
  ask().catch(() => undefined);
  return {
    get target() {
      return [...ready].find(([, is]) => is)?.[0];
    },
    add: (base) => void ready.set(base, true),
    stop: () => ending.abort(),
  };
}
