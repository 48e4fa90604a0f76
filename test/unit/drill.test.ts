// The drill is worth what its judge notices: a server that lies, breaks off or makes excuses must be seen.
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { startSteadyLoad } from '../drill/steady-load.ts';
import { quantile, type Tally } from '../drill/tally.ts';
import { startTcpProxy } from '../drill/tcp-proxy.ts';

const rows = Array.from({ length: 80 }, (_, i) => [i, 1]);
const answers = rows.map(([x = 0]) => x / 100);
const models = [{ name: 'm', share: 1, answers: new Map([['1', answers]]) }];

let servers: Server[] = [];
afterEach(() => {
  for (const server of servers) {
    server.closeAllConnections();
    server.close();
  }
  servers = [];
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** First values of the rows of a request, in whichever form it came. */
function askedFor(body: Buffer, jsonLength: number): number[] {
  const { instances, inputs } = JSON.parse(body.subarray(0, jsonLength).toString());
  if (instances) return instances.map(({ x0 }: { x0: number }) => x0);
  const [{ shape, data }] = inputs;
  const first = (row: number): number =>
    data ? data[row * 2] : body.readFloatLE(jsonLength + row * 8);
  return Array.from({ length: shape[0] }, (_, row) => first(row));
}

/** Answers as a server does that adds so much to each prediction. */
const answering =
  (error: number, version = '1'): RequestListener =>
  (request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const asked = Number(request.headers['inference-header-content-length'] ?? body.length);
      const numbers = askedFor(body, asked).map((x) => x / 100 + error);
      const named = { model_version: version, predictions: numbers };
      if (asked === body.length) {
        const outputs = [{ name: 'prediction', data: numbers }];
        return response.end(JSON.stringify({ ...named, outputs }));
      }
      const tensor = Buffer.from(Float32Array.from(numbers).buffer);
      const parameters = { binary_data_size: tensor.length };
      const head = Buffer.from(
        JSON.stringify({ model_version: version, outputs: [{ name: 'prediction', parameters }] }),
      );
      response.setHeader('Inference-Header-Content-Length', head.length);
      return response.end(Buffer.concat([head, tensor]));
    });
  };

async function tallyOf(base: string | undefined, requests = 40): Promise<Tally> {
  const load = startSteadyLoad({ models, rows, requestsPerSecond: 2_000, target: () => base });
  const tally = load.enter('test');
  while (tally.requests < requests) await new Promise((resolve) => setTimeout(resolve, 5));
  await load.stop();
  return tally;
}

const outcome = ({ requests, answered, wrong, declared, undeclared }: Tally) => ({
  answered: answered / requests,
  wrong: wrong / requests,
  declared: declared / requests,
  undeclared: undeclared / requests,
});
const all = { answered: 0, wrong: 0, declared: 0, undeclared: 0 };

describe('the judge of the drill', () => {
  it('finds right what is within the tolerance, in every form', async () => {
    expect(outcome(await tallyOf(await serve(answering(4e-6))))).toEqual({ ...all, answered: 1 });
  });

  it('finds every answer wrong that is beyond it', async () => {
    const tally = await tallyOf(await serve(answering(4e-5)));
    expect(outcome(tally)).toEqual({ ...all, answered: 1, wrong: 1 });
    expect(tally.samples[0]).toMatch(/^wrong: row \d+ of m version 1: /);
  });

  it('finds wrong what a version answers that is none', async () => {
    const tally = await tallyOf(await serve(answering(0, '7')));
    expect(outcome(tally)).toEqual({ ...all, answered: 1, wrong: 1 });
  });

  it.each([
    [503, { 'Retry-After': '1', 'Content-Type': 'application/json' }, 'declared'],
    [504, { 'Content-Type': 'application/json' }, 'declared'],
    [503, { 'Content-Type': 'application/json' }, 'undeclared'],
    [503, { 'Retry-After': '1', 'Content-Type': 'text/html' }, 'undeclared'],
    [500, { 'Content-Type': 'application/json' }, 'undeclared'],
    [400, { 'Content-Type': 'application/json' }, 'undeclared'],
  ] as const)('takes a %i with %j as %s', async (status, headers, kind) => {
    const base = await serve((_, response) =>
      response.writeHead(status, headers).end('{"error":"busy"}'),
    );
    expect(outcome(await tallyOf(base))).toEqual({ ...all, [kind]: 1 });
  });

  it('takes a connection that breaks, and nobody to ask, as errors', async () => {
    const base = await serve((request) => request.socket.destroy());
    expect(outcome(await tallyOf(base))).toEqual({ ...all, undeclared: 1 });
    expect(outcome(await tallyOf(undefined))).toEqual({ ...all, undeclared: 1 });
  });
});

describe('what stands between', () => {
  it('passes on, refuses, and passes on again', async () => {
    const proxy = await startTcpProxy(await serve((_, response) => response.end('here')));
    const ask = async () => (await fetch(proxy.url)).text();
    expect(await ask()).toBe('here');
    proxy.become('refused');
    await expect(ask()).rejects.toThrow();
    expect(proxy.letDown).toBeGreaterThan(0);
    proxy.become('open');
    expect(await ask()).toBe('here');
    await proxy.stop();
  });

  it('says nothing while it is silent', async () => {
    const proxy = await startTcpProxy(await serve((_, response) => response.end('here')));
    proxy.become('silent');
    await expect(fetch(proxy.url, { signal: AbortSignal.timeout(200) })).rejects.toThrow('timeout');
    proxy.become('open');
    expect(await (await fetch(proxy.url)).text()).toBe('here');
    await proxy.stop();
  });
});

describe('quantile', () => {
  it('is a value of its list', () => {
    const values = [5, 1, 4, 2, 3];
    expect(quantile(values, 0.5)).toBe(3);
    expect(quantile(values, 0.99)).toBe(5);
    expect(quantile([], 0.5)).toBeNaN();
  });
});
