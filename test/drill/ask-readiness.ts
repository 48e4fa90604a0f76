// A thread of its own, so that an answer is late only where the server is, and not whoever asks.
import { setInterval as every } from 'node:timers/promises';
import { parentPort } from 'node:worker_threads';

/** Ours on AWS asks every 10 s and has a task deregistered first. */
const askEveryMs = 250;
/** As in lib/inference/model-service.ts: what comes later is no answer. */
const answerLimitMs = 5_000;

export type Readiness = 'ready' | 'not ready' | 'late';

export interface Asked {
  readonly base: string;
  readonly readiness: Readiness;
}

async function readinessOf(base: string): Promise<Readiness> {
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

const bases = new Set<string>();
parentPort?.on('message', (base: string) => bases.add(base));
for await (const _ of every(askEveryMs)) {
  const ask = async (base: string) => {
    const asked: Asked = { base, readiness: await readinessOf(base) };
    parentPort?.postMessage(asked);
  };
  await Promise.all([...bases].map(ask));
}
