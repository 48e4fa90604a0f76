// Sends changed requests of all protocols, one after the other, to a loaded version, or to a server.
// npm run fuzz:inference -- [--requests 100000] [--seed 1] [--url http://127.0.0.1:8080 --model churn]
// The script keeps what Node sets aside for garbage small, and the C library to one arena: else resident memory grows
// until both are full, whatever is asked, and says nothing.
import { Agent, request, validateHeaderName, validateHeaderValue } from 'node:http';
import { parseArgs } from 'node:util';
import type { FuzzedModel } from './mutations.ts';
import { plain, runFuzz, type Send } from './run-fuzz.ts';
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

/** A path as a request line can carry it. */
const written = (path: string): string =>
  path.replaceAll(/[^\x21-\x7e]/gu, (character) =>
    [...Buffer.from(character)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join(''),
  );

function isHeader(name: string, value: string): boolean {
  try {
    validateHeaderName(name);
    validateHeaderValue(name, value);
    return true;
  } catch {
    return false;
  }
}

/** The headers that HTTP can carry, without those that are about the connection. */
const sendable = (headers: Readonly<Record<string, string | undefined>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(headers).flatMap(([name, value]) =>
      value !== undefined &&
      isHeader(name, value) &&
      !/^(content-length|transfer-encoding|connection|expect|host|upgrade)$/i.test(name)
        ? [[name, value]]
        : [],
    ),
  );

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
  const agent = new Agent({ keepAlive: true });
  const { hostname, port } = new URL(url);
  // Not by fetch, which mends what it is given.
  const send: Send = ({ method, path, headers, body }) =>
    new Promise((resolve, reject) => {
      const given = { hostname, port, method, path: written(path), headers: sendable(headers) };
      const asked = request({ ...given, agent }, (reply) => {
        const chunks: Buffer[] = [];
        reply.on('data', (chunk: Buffer) => chunks.push(chunk));
        reply.on('end', () => {
          const { statusCode: status = 0, headers: said } = reply;
          const body = plain(Buffer.concat(chunks), said['content-encoding']);
          resolve({ status, contentType: said['content-type'], body });
        });
      });
      asked.on('error', reject);
      asked.end(method === 'GET' || method === 'HEAD' ? undefined : body);
    });
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
