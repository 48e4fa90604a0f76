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
/** As in lib/inference/model-service.ts: so late is no answer, and so many in a row take a replica out. */
const answerLimitMs = 5_000;
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
  stop(): void;
}

type Standing = 'ready' | 'not ready' | 'late';

async function standingOf(base: string): Promise<Standing> {
  try {
    const reply = await fetch(`${base}/v2/health/ready`, {
      signal: AbortSignal.timeout(answerLimitMs),
    });
    await reply.arrayBuffer();
    return reply.status === 200 ? 'ready' : 'not ready';
  } catch (error) {
    // Who takes no connection is gone.
    return error instanceof Error && error.name === 'TimeoutError' ? 'late' : 'not ready';
  }
}

/** Sends requests where readiness is told, and asks as the load balancer of lib/inference does, but more often. */
export function startBalancer(): Balancer {
  /** By replica, how many answers in a row were missing. */
  const missing = new Map<string, number>();
  const ending = new AbortController();
  let lateAnswers = 0;
  const look = async (base: string): Promise<void> => {
    const standing = await standingOf(base);
    if (standing === 'late') lateAnswers += 1;
    if (standing === 'ready') missing.set(base, 0);
    else if (standing === 'not ready') missing.set(base, mostMissing);
    else missing.set(base, (missing.get(base) ?? 0) + 1);
  };
  const ask = async (): Promise<void> => {
    for await (const _ of every(askEveryMs, undefined, { signal: ending.signal })) {
      await Promise.all([...missing.keys()].map(look));
    }
  };
  // It ends by being told to.
  ask().catch(() => undefined);
  return {
    get target() {
      return [...missing].find(([, answers]) => answers < mostMissing)?.[0];
    },
    get lateAnswers() {
      return lateAnswers;
    },
    add: (base) => void missing.set(base, 0),
    stop: () => ending.abort(),
  };
}
