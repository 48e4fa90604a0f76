// Sends changed requests of all protocols, one after the other, to a loaded version, or to a server.
// npm run fuzz:inference -- [--requests 100000] [--seed 1] [--url http://127.0.0.1:8080 --model churn]
import { parseArgs } from 'node:util';
import type { FuzzedModel } from './mutations.ts';
import { runFuzz, type Send } from './run-fuzz.ts';
import { servedDoor } from './served-door.ts';

const { values } = parseArgs({
  options: {
    requests: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    url: { type: 'string' },
    model: { type: 'string' },
  },
});
const requests = Number(values.requests);
const seed = Number(values.seed);

async function remoteDoor(
  url: string,
  model: string,
): Promise<{ models: FuzzedModel[]; send: Send }> {
  const metadata = await fetch(`${url}/v2/models/${model}`);
  if (metadata.status !== 200) {
    throw new Error(
      `${url}/v2/models/${model} answers ${metadata.status}; name a model that is live`,
    );
  }
  const send: Send = async ({ method, path, headers, body }) => {
    const hasBody = method !== 'GET' && method !== 'HEAD';
    const reply = await fetch(`${url}${path}`, {
      ...{ method, headers, redirect: 'manual' },
      ...(hasBody && { body: new Uint8Array(body) }),
    });
    const contentType = reply.headers.get('content-type') ?? undefined;
    return { status: reply.status, contentType, body: Buffer.from(await reply.arrayBuffer()) };
  };
  return { models: [(await metadata.json()) as FuzzedModel], send };
}

const megabytes = (bytes: number): string => (bytes / 2 ** 20).toFixed(1);

const { models, send } =
  values.url === undefined
    ? await servedDoor()
    : await remoteDoor(values.url.replace(/\/$/, ''), values.model ?? '');
const startedAt = performance.now();
const { statuses, memory } = await runFuzz(models, send, { seed, requests });
const seconds = (performance.now() - startedAt) / 1_000;

console.log(
  `${requests} requests of seed ${seed} in ${seconds.toFixed(0)} s, none answered with 5xx`,
);
for (const [status, count] of [...statuses].sort(([a], [b]) => a - b)) {
  console.log(`  ${status}: ${count}`);
}
console.log('\n| after requests | heap, MB | resident, MB |\n|---|---|---|');
for (const { requests: after, heap, rss } of memory) {
  console.log(`| ${after} | ${megabytes(heap)} | ${megabytes(rss)} |`);
}
