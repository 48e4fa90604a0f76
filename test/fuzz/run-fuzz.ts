import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { unzipSync } from 'node:zlib';
import { type FuzzedModel, type FuzzedRequest, nextRequest, Random } from './mutations.ts';

export interface FuzzReply {
  readonly status: number;
  readonly contentType: string | undefined;
  readonly body: Buffer;
}

/** What a reply says, however it was sent: zlib tells gzip from deflate by itself. */
export const plain = (body: Buffer, encoding: string | undefined): Buffer =>
  encoding === undefined ? body : unzipSync(body);

export type Send = (request: FuzzedRequest) => Promise<FuzzReply>;

/** Bytes, after what is garbage was collected. */
export interface Memory {
  readonly requests: number;
  readonly heap: number;
  readonly rss: number;
}

export interface Fuzzed {
  readonly requests: number;
  readonly statuses: ReadonlyMap<number, number>;
  readonly memory: readonly Memory[];
}

// A process may ask for it later than at its start, but only so.
setFlagsFromString('--expose-gc');
const collectGarbage: () => void = runInNewContext('gc');

function memoryAfter(requests: number): Memory {
  collectGarbage();
  const { heapUsed, rss } = process.memoryUsage();
  return { requests, heap: heapUsed, rss };
}

/** What is wrong with a reply, whatever was asked. */
function problemOf(request: FuzzedRequest, { status, contentType, body }: FuzzReply) {
  if (status >= 500) return `${status}`;
  if (status < 400) return undefined;
  // Of HEAD there is no body to look at.
  if (request.method === 'HEAD') return undefined;
  if (contentType !== 'application/json') return `${status} as ${contentType}`;
  const { error } = JSON.parse(body.toString());
  return typeof error === 'string' && error.length > 0 ? undefined : `${status} without an error`;
}

export const described = ({ method, path, headers, body }: FuzzedRequest): string =>
  JSON.stringify({ method, path, headers, body: body.subarray(0, 4_000).toString('latin1') });

/**
 * Sends requests one after the other.
 * @throws Error with the request that was answered with a 5xx, or in another form than an error has
 */
export async function runFuzz(
  models: readonly FuzzedModel[],
  send: Send,
  { seed, requests }: { readonly seed: number; readonly requests: number },
): Promise<Fuzzed> {
  const random = new Random(seed);
  const statuses = new Map<number, number>();
  // The first ones compile code and fill caches.
  const measuredAt = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1].map((share) =>
    Math.floor(share * requests),
  );
  const memory: Memory[] = [];
  for (let done = 1; done <= requests; done += 1) {
    const request = nextRequest(random, models);
    const reply = await send(request);
    const problem = problemOf(request, reply);
    if (problem !== undefined) {
      throw new Error(
        `request ${done} of seed ${seed} was answered with ${problem}: ${reply.body.subarray(0, 500)}\n${described(request)}`,
      );
    }
    statuses.set(reply.status, (statuses.get(reply.status) ?? 0) + 1);
    if (measuredAt.includes(done)) memory.push(memoryAfter(done));
  }
  return { requests, statuses, memory };
}
