// Answers on localhost for clients that cannot sign or have no token, in this person's name.
import {
  createServer,
  type IncomingMessage,
  request as requestByHttp,
  type ServerResponse,
} from 'node:http';
import { request as requestByTls } from 'node:https';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { describeError } from './command-error.ts';
import type { Authorize } from './sign-request.ts';

export interface LocalProxy {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  stop(): Promise<void>;
}

export interface ProxyOptions {
  /** The API with its stage, without a slash at the end. */
  readonly baseUrl: string;
  readonly authorize: Authorize;
  /** 0 takes a free one. */
  readonly port: number;
}

export const defaultProxyPort = 8080;
/** The API takes no more. */
const limitBytes = 4 * 1024 * 1024;
/** Whatever else a client sends is between it and this proxy. */
const passedOn = [
  'accept',
  'accept-encoding',
  'accept-language',
  'content-encoding',
  'content-type',
  'inference-header-content-length',
  'user-agent',
  'x-amzn-trace-id',
  'x-request-id',
  'x-slipway-purpose',
];
/** Of a connection: this proxy has two. */
const notPassedBack = new Set(['connection', 'keep-alive', 'transfer-encoding']);

/** A request cannot be passed on; its status and what to do. */
class RefusedRequest extends Error {
  override readonly name = 'RefusedRequest';
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/**
 * A page of the web that has its name resolved to this machine, or that just posts here, must not act in
 * this person's name: hence only this machine's own names, and nothing that a foreign page sends.
 * @throws RefusedRequest
 */
function refuseForeigners({ headers }: IncomingMessage, port: number): void {
  const own = [`127.0.0.1:${port}`, `localhost:${port}`];
  if (!own.includes(headers.host ?? '')) {
    const message = `this proxy answers to ${own.join(' and ')} only (received the host ${headers.host})`;
    throw new RefusedRequest(421, message);
  }
  const { origin } = headers;
  if (origin !== undefined && !own.some((name) => origin === `http://${name}`)) {
    throw new RefusedRequest(403, `pages of ${origin} may not call this proxy`);
  }
}

/** @throws RefusedRequest where it is larger than the API takes. */
async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request) {
    bytes += chunk.length;
    if (bytes > limitBytes) {
      throw new RefusedRequest(413, 'the body is larger than 4 MB; send fewer rows at a time');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** @throws RefusedRequest where the path leads out of the API. */
function targetOf(baseUrl: string, path: string): URL {
  const base = new URL(`${baseUrl}/`);
  const url = new URL(`${baseUrl}${path}`);
  if (path.startsWith('/') && url.host === base.host && url.pathname.startsWith(base.pathname)) {
    return url;
  }
  throw new RefusedRequest(400, `there is no path ${path} in the API`);
}

async function forward(
  request: IncomingMessage,
  response: ServerResponse,
  { baseUrl, authorize }: ProxyOptions,
): Promise<void> {
  const { method = 'GET' } = request;
  const url = targetOf(baseUrl, request.url ?? '/');
  const body = await bodyOf(request);
  const headers: Record<string, string> = {};
  for (const name of passedOn) {
    const value = request.headers[name];
    if (typeof value === 'string') headers[name] = value;
  }
  // What stands between here and the API may ask for other encodings: that is not signed.
  const { 'accept-encoding': _, ...signed } = headers;
  const authorization = await authorize({ method, url, headers: signed, body });
  const reply = await send(url, method, { ...headers, ...authorization }, body);
  const passed = Object.entries(reply.headers).filter(([name]) => !notPassedBack.has(name));
  response.writeHead(reply.statusCode ?? 502, Object.fromEntries(passed));
  await pipeline(reply, response);
}

/** Not fetch: it would undo a reply's encoding, and a body of another length would have the wrong headers. */
function send(
  url: URL,
  method: string,
  headers: Readonly<Record<string, string>>,
  body: Buffer,
): Promise<IncomingMessage> {
  const request = url.protocol === 'https:' ? requestByTls : requestByHttp;
  const length = body.length > 0 || method === 'POST' ? { 'content-length': body.length } : {};
  return new Promise((resolve, reject) => {
    request(url, { method, headers: { ...headers, ...length } }, resolve)
      .on('error', reject)
      .end(body);
  });
}

function tell(response: ServerResponse, error: unknown): void {
  // What was begun cannot become another answer.
  if (response.headersSent) return void response.destroy();
  const status = error instanceof RefusedRequest ? error.status : 502;
  const message =
    error instanceof RefusedRequest
      ? error.message
      : `the API could not be asked: ${describeError(error)}`;
  // The rest of a body that is too large is not waited for.
  response.writeHead(status, { 'content-type': 'application/json', connection: 'close' });
  response.end(JSON.stringify({ error: message }));
}

/** Starts the proxy on this machine's loopback address, where nobody else reaches it. */
export async function startProxy(options: ProxyOptions): Promise<LocalProxy> {
  const server = createServer((request, response) => {
    const { port } = server.address() as AddressInfo;
    void (async () => {
      refuseForeigners(request, port);
      await forward(request, response, options);
    })().catch((error: unknown) => tell(response, error));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
