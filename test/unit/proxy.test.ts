import { createHash, createHmac } from 'node:crypto';
import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LocalProxy, startProxy } from '../../cli/proxy.ts';
import { signedByIam } from '../../cli/sign-request.ts';

interface Received {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

const accessKey = 'AKIDEXAMPLE';
const secret = 'wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY';
const region = 'eu-west-1';

const sha256 = (text: string | Buffer): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer =>
  createHmac('sha256', key).update(text).digest();
const encoded = (text: string): string =>
  encodeURIComponent(text).replace(
    /[!'()*]/g,
    (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`,
  );

/** AWS's Signature Version 4 computed anew, from what arrived. */
function signatureOf({ method, url, headers, body }: Received, signedHeaders: string): string {
  const { pathname, searchParams } = new URL(url, 'http://api');
  const query = [...searchParams]
    .map((pair) => pair.map(encoded).join('='))
    .sort()
    .join('&');
  const names = signedHeaders.split(';');
  const time = String(headers['x-amz-date']);
  const day = time.slice(0, 8);
  const canonical = [
    method,
    pathname.split('/').map(encoded).join('/'),
    query,
    ...names.map((name) => `${name}:${String(headers[name]).trim()}`),
    '',
    signedHeaders,
    sha256(body),
  ].join('\n');
  const scope = `${day}/${region}/execute-api/aws4_request`;
  const toSign = ['AWS4-HMAC-SHA256', time, scope, sha256(canonical)].join('\n');
  const key = [region, 'execute-api', 'aws4_request'].reduce<Buffer>(
    hmac,
    hmac(`AWS4${secret}`, day),
  );
  return hmac(key, toSign).toString('hex');
}

/** Answers 200 to a request that is signed right, else 403, and keeps it. */
function startApi(received: Received[], reply: object): Promise<Server> {
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url = '', headers } = request;
    const arrived = { method, url, headers, body: Buffer.concat(chunks) };
    received.push(arrived);
    const [, signedHeaders = '', signature] =
      /SignedHeaders=([^,]+), Signature=([0-9a-f]+)/.exec(headers.authorization ?? '') ?? [];
    const right = signature === signatureOf(arrived, signedHeaders);
    if (right && headers['content-encoding'] === 'gzip') {
      // Gives back what came: that it is no gzip at all, nobody on the way may notice.
      response.writeHead(207, {
        'content-type': 'application/octet-stream',
        'content-encoding': 'gzip',
        'accept-encoding': headers['accept-encoding'],
        'inference-header-content-length': headers['inference-header-content-length'],
      });
      return void response.end(arrived.body);
    }
    response.writeHead(right ? 207 : 403, {
      'content-type': 'application/json',
      'x-of-api': 'yes',
    });
    response.end(JSON.stringify(reply));
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

let received: Received[];
let api: Server;
let proxy: LocalProxy;
const before = { ...process.env };

beforeEach(async () => {
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: accessKey,
    AWS_SECRET_ACCESS_KEY: secret,
    AWS_REGION: region,
  });
  delete process.env['AWS_SESSION_TOKEN'];
  received = [];
  api = await startApi(received, { predictions: [0.25] });
  const { port } = api.address() as AddressInfo;
  const baseUrl = `http://127.0.0.1:${port}/live`;
  proxy = await startProxy({ baseUrl, authorize: signedByIam(), port: 0 });
});

afterEach(async () => {
  await proxy.stop();
  await new Promise((resolve) => api.close(resolve));
  process.env = { ...before };
});

const predict = '/v1/models/flight-delay:predict';
const post = (path: string, body: string, headers: Record<string, string> = {}) =>
  fetch(`${proxy.url}${path}`, {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });

/** As a client that names no type: fetch names one, and undoes an encoding. */
function sendBytes(path: string, body: Buffer, headers: Record<string, string>) {
  return new Promise<{ status: number; headers: IncomingHttpHeaders; body: Buffer }>(
    (resolve, reject) => {
      const options = { method: 'POST', headers };
      httpRequest(`${proxy.url}${path}`, options, async (reply) => {
        const chunks: Buffer[] = [];
        for await (const chunk of reply) chunks.push(chunk);
        const { statusCode: status = 0 } = reply;
        resolve({ status, headers: reply.headers, body: Buffer.concat(chunks) });
      })
        .on('error', reject)
        .end(body);
    },
  );
}

/** As a client that lies about the host, which fetch does not let one. */
const statusWithHost = (host: string): Promise<number | undefined> =>
  new Promise((resolve, reject) => {
    const { port } = new URL(proxy.url);
    const options = { port, path: predict, headers: { host } };
    httpRequest(options, (reply) => resolve(reply.resume().statusCode))
      .on('error', reject)
      .end();
  });

describe('the proxy', () => {
  it.each([predict, `${predict}?explain=a%20b&b=1&a=2`, '/v2/models/x/versions/1/infer'])(
    'signs %s as API Gateway computes it, and passes status, headers and body through',
    async (path) => {
      const reply = await post(path, '{"instances":[{"name":"Ærø"}]}');
      expect(reply.status).toBe(207);
      expect(reply.headers.get('x-of-api')).toBe('yes');
      expect(await reply.json()).toEqual({ predictions: [0.25] });
      expect(received[0]).toMatchObject({ method: 'POST', url: `/live${path}` });
      expect(received[0]?.body.toString()).toBe('{"instances":[{"name":"Ærø"}]}');
    },
  );

  it('passes tensors through as they are, compressed or not, with or without a type, both ways', async () => {
    const body = Buffer.from([0x1f, 0x8b, 0, 255, 254, 10]);
    const headers = {
      'content-encoding': 'gzip',
      'accept-encoding': 'gzip',
      'inference-header-content-length': '4',
    };
    const reply = await sendBytes(`${predict}?a=1`, body, headers);
    expect(reply.status).toBe(207);
    expect(received[0]?.body).toEqual(body);
    expect(received[0]?.headers).toMatchObject({ ...headers, 'content-length': '6' });
    expect(received[0]?.headers['content-type']).toBeUndefined();
    expect(reply.body).toEqual(body);
    expect(reply.headers).toMatchObject(headers);
    expect(reply.headers['content-type']).toBe('application/octet-stream');
  });

  it('passes a GET through, and what the API refuses as it is', async () => {
    expect((await fetch(`${proxy.url}/v1/models/flight-delay`)).status).toBe(207);
    process.env['AWS_SECRET_ACCESS_KEY'] = 'another';
    const { port } = api.address() as AddressInfo;
    const baseUrl = `http://127.0.0.1:${port}/live`;
    const wrong = await startProxy({ baseUrl, authorize: signedByIam(), port: 0 });
    const reply = await fetch(`${wrong.url}/v1/models/flight-delay`);
    await wrong.stop();
    expect(reply.status).toBe(403);
  });

  it('does not pass on what a client says of itself: the caller is who started the proxy', async () => {
    await post(predict, '{}', { authorization: 'Bearer theirs', cookie: 'a=b', 'x-amz-date': 'x' });
    expect(received[0]?.headers.authorization).toContain(`Credential=${accessKey}/`);
    expect(received[0]?.headers.cookie).toBeUndefined();
  });

  it('takes 4 MB and not a byte more', async () => {
    expect((await post(predict, 'x'.repeat(4 * 1024 * 1024))).status).toBe(207);
    const reply = await post(predict, 'x'.repeat(4 * 1024 * 1024 + 1));
    expect(reply.status).toBe(413);
    expect(await reply.json()).toEqual({ error: expect.stringContaining('larger than 4 MB') });
    expect(received).toHaveLength(1);
  });

  it.each(['evil.example', 'evil.example:80', '127.0.0.1', 'localhost:1'])(
    'refuses the host %s, to which a foreign page may have its name resolved',
    async (host) => {
      expect(await statusWithHost(host)).toBe(421);
      expect(received).toEqual([]);
    },
  );

  it("answers to localhost, and refuses a foreign page's requests", async () => {
    const { port } = new URL(proxy.url);
    expect(await statusWithHost(`localhost:${port}`)).toBe(207);
    const reply = await post(predict, '{}', { origin: 'https://evil.example' });
    expect(reply.status).toBe(403);
    expect(received).toHaveLength(1);
  });

  it('does not leave the API’s own stage', async () => {
    const { port } = new URL(proxy.url);
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const options = { port, path: '/../admin', headers: { host: `127.0.0.1:${port}` } };
      httpRequest(options, (reply) => resolve(reply.resume().statusCode))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(400);
    expect(received).toEqual([]);
  });

  it('answers 502 and says why when the API is not there', async () => {
    const lost = await startProxy({
      baseUrl: 'http://127.0.0.1:9/live',
      authorize: signedByIam(),
      port: 0,
    });
    const reply = await fetch(`${lost.url}${predict}`);
    await lost.stop();
    expect(reply.status).toBe(502);
    expect(await reply.json()).toEqual({ error: expect.stringContaining('could not be asked') });
  });

  it('listens on the loopback address only', () => {
    expect(proxy.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
  });
});
