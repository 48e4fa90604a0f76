// Servers of the drill, and the load balancer's part: it asks each whether it is ready and sends to one that is.
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { root, type ServerProcess, startServer } from '../bench/server-process.ts';
import type { Asked } from './ask-readiness.ts';

export interface Replica {
  readonly base: string;
  readonly process: ServerProcess;
  readonly logFile: string;
}

/** As in lib/inference/model-service.ts: so many answers in a row that are missing take a replica out. */
const mostMissing = 3;

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
  /** How often no replica said in time whether it is ready. */
  readonly lateAnswers: number;
  add(base: string): void;
  stop(): Promise<unknown>;
}

/** Sends requests where readiness is told, and asks as the load balancer of lib/inference does, but more often. */
export function startBalancer(): Balancer {
  /** By replica, how many answers in a row were missing. */
  const missing = new Map<string, number>();
  const asking = new Worker(new URL('./ask-readiness.ts', import.meta.url));
  let lateAnswers = 0;
  asking.on('message', ({ base, readiness }: Asked) => {
    if (readiness === 'late') lateAnswers += 1;
    const more = readiness === 'late' ? (missing.get(base) ?? 0) + 1 : mostMissing;
    missing.set(base, readiness === 'ready' ? 0 : more);
  });
  return {
    get target() {
      return [...missing].find(([, answers]) => answers < mostMissing)?.[0];
    },
    get lateAnswers() {
      return lateAnswers;
    },
    add(base) {
      missing.set(base, 0);
      asking.postMessage(base);
    },
    stop: () => asking.terminate(),
  };
}
