// Load over loopback: by wrk where it is on the PATH, because it costs least; else by autocannon.
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import autocannon from 'autocannon';

export interface LoadRequest {
  /** Of the server, without a path. */
  readonly base: string;
  /** Take turns, request by request. */
  readonly paths: readonly string[];
  /** As `writeBodies` leaves it. */
  readonly bodiesFile: string;
  readonly contentType: string;
  readonly jsonLength?: number | undefined;
  readonly connections: number;
  readonly seconds: number;
}

export interface LoadResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Without a reply, or with a status that is no success. */
  readonly failed: number;
}

/** wrk ends with 1 after it has said its version. */
export const hasWrk: boolean = /wrk/.test(String(spawnSync('wrk', ['--version']).stdout ?? ''));
export const loadGenerator = hasWrk ? 'wrk' : 'autocannon';

const script = join(import.meta.dirname, 'load.lua');

async function byWrk(load: LoadRequest): Promise<LoadResult> {
  const { stdout } = await promisify(execFile)('wrk', [
    ...['--threads', '1', '--connections', String(load.connections), '--timeout', '10s'],
    // Whole seconds: wrk knows nothing shorter.
    ...['--duration', `${load.seconds}s`, '--script', script, load.base, '--'],
    ...[load.bodiesFile, load.contentType, load.paths.join()],
    ...(load.jsonLength ? [String(load.jsonLength)] : []),
  ]);
  return JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
}

function bodiesOf(file: string): Buffer[] {
  const content = readFileSync(file);
  const bodies: Buffer[] = [];
  for (let at = 0; at < content.length; ) {
    const end = content.indexOf('\n', at);
    const length = Number(content.subarray(at, end).toString());
    bodies.push(content.subarray(end + 1, end + 1 + length));
    at = end + 1 + length;
  }
  return bodies;
}

async function byAutocannon(load: LoadRequest): Promise<LoadResult> {
  const headers = {
    'content-type': load.contentType,
    ...(load.jsonLength && { 'inference-header-content-length': String(load.jsonLength) }),
  };
  const result = await autocannon({
    url: load.base,
    connections: load.connections,
    duration: load.seconds,
    requests: bodiesOf(load.bodiesFile).map((body, i) => ({
      method: 'POST',
      path: load.paths[i % load.paths.length] ?? '/',
      headers,
      body,
    })),
  });
  return {
    requests: result.requests.total,
    seconds: result.duration,
    p50Ms: result.latency.p50,
    p99Ms: result.latency.p99,
    failed: result.errors + result.timeouts + result.non2xx,
  };
}

export const load = hasWrk ? byWrk : byAutocannon;
