import { randomUUID } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import Fastify, { type FastifyInstance } from 'fastify';
import { decodedBody, encodedReply, tooLarge } from '../../adapters/content-encoding.ts';
import { HttpError } from '../../core/inference/http-error.ts';
import {
  type EndpointReply,
  type EndpointRequest,
  errorReply,
  maximumRequestBytes,
} from '../../core/inference/http-messages.ts';
import { DeadlineError } from '../../core/inference/serving-errors.ts';

/** How long a request may take: the same for every endpoint of the platform. */
const limitMs = 25_000;
/** How often requests are looked for whose time is up. */
const sweepMs = 250;
/** Longer than the load balancer keeps a connection, so that it is not closed under a request. */
const keepAliveMs = 75_000;
/** A server that ends answers what still comes until so long nothing did. */
const quietMs = 1_500;
const longestQuietWaitMs = 8_000;

const nothing = new Uint8Array();

interface Flight {
  readonly response: ServerResponse;
  readonly path: string;
  readonly requestId: string;
  readonly deadlineAt: number;
}

export interface HttpServerOptions {
  readonly answer: (request: EndpointRequest) => Promise<EndpointReply>;
  readonly port: number;
  /** Told of a request that got no answer in time. */
  readonly timedOut: (path: string, requestId: string) => void;
}

const pathOf = (url: string): string => {
  const query = url.indexOf('?');
  return query === -1 ? url : url.slice(0, query);
};

/** One header of a request; of several with one name the first. */
function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name];
  return typeof value === 'string' ? value : value?.[0];
}

/** API Gateway's name of the request, or one of its own. */
const requestIdOf = (request: IncomingMessage): string =>
  headerOf(request, 'x-amzn-requestid') ?? randomUUID();

/** What is not HTTP is told so in the same form as everything else. */
function refuseConnection(error: Error & { readonly code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const body = JSON.stringify({ error: 'this is no HTTP request that can be read; send HTTP/1.1' });
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\nConnection: close\r\n\r\n${body}`,
  );
}

/** Speaks HTTP for an endpoint: what it is asked and what it answers is the endpoint's alone. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #fastify: FastifyInstance;
  /** In the order of their deadlines. */
  readonly #flights = new Set<Flight>();
  readonly #sweeping: ReturnType<typeof setInterval>;
  #isEnding = false;
  #lastRequestAt = 0;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#fastify = this.#build();
    this.#sweeping = setInterval(() => this.#sweep(), sweepMs);
  }

  /** Whether it is told to go on; a server that ends is no longer ready for more. */
  get accepts(): boolean {
    return !this.#isEnding;
  }

  /** @returns the port, which is another one than 0 */
  async listen(): Promise<number> {
    await this.#fastify.listen({ port: this.#options.port, host: '0.0.0.0' });
    return (this.#fastify.server.address() as AddressInfo).port;
  }

  /**
   * Ends when all that was asked has been answered. From now on it says that it is not ready, and that
   * connections are not to be used again; who had not heard yet is answered as ever.
   */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#lastRequestAt = Date.now();
    const latest = this.#lastRequestAt + longestQuietWaitMs;
    const isQuiet = () => Date.now() - this.#lastRequestAt >= quietMs;
    while (!isQuiet() && Date.now() < latest) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await this.#fastify.close();
    clearInterval(this.#sweeping);
  }

  #build(): FastifyInstance {
    const fastify = Fastify({
      bodyLimit: maximumRequestBytes,
      keepAliveTimeout: keepAliveMs,
      // A slow sender holds a connection no longer than an answer may take.
      requestTimeout: limitMs + 5_000,
      exposeHeadRoutes: false,
      return503OnClosing: false,
      forceCloseConnections: 'idle',
      clientErrorHandler: refuseConnection,
      // The endpoint knows its paths; here all are one.
      rewriteUrl: () => '/',
    });
    // Whatever a body is called, it is bytes.
    fastify.removeAllContentTypeParsers();
    fastify.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) =>
      done(null, body),
    );
    const handle = (request: { raw: IncomingMessage; body: unknown }, reply: Hijacked) => {
      reply.hijack();
      this.#answer(
        request.raw,
        request.body instanceof Uint8Array ? request.body : nothing,
        reply.raw,
      );
    };
    fastify.route({
      method: ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'],
      url: '/',
      handler: handle,
    });
    fastify.setNotFoundHandler(handle);
    fastify.setErrorHandler((error: Error & { readonly code?: string }, request, reply) => {
      reply.hijack();
      const isTooLong = error.code === 'FST_ERR_CTP_BODY_TOO_LARGE';
      const told = isTooLong
        ? tooLarge('the request has more bytes than are taken')
        : new HttpError(400, `the body cannot be read: ${error.message}`);
      this.#write(reply.raw, errorReply(told, requestIdOf(request.raw)));
    });
    return fastify;
  }

  #answer(
    request: IncomingMessage & { originalUrl?: string },
    body: Uint8Array,
    response: ServerResponse,
  ): void {
    const now = Date.now();
    this.#lastRequestAt = now;
    const requestId = requestIdOf(request);
    const path = pathOf(request.originalUrl ?? '/');
    const flight: Flight = { response, path, requestId, deadlineAt: now + limitMs };
    this.#flights.add(flight);
    const caller = headerOf(request, 'x-slipway-caller');
    const asked: EndpointRequest = {
      method: request.method ?? 'GET',
      path,
      // Those that come several times are joined by Node, but for set-cookie.
      headers: request.headers as EndpointRequest['headers'],
      body,
      requestId,
      deadlineAt: flight.deadlineAt,
      caller,
    };
    this.#replyTo(asked).then(
      (reply) => this.#land(flight, reply),
      (error: unknown) => this.#land(flight, errorReply(error, requestId)),
    );
  }

  #replyTo(asked: EndpointRequest): Promise<EndpointReply> {
    const { 'content-encoding': coding, 'accept-encoding': accepted } = asked.headers;
    // Mostly there is neither, and nothing to wait for.
    if (coding === undefined && accepted === undefined) return this.#options.answer(asked);
    return this.#replyInCode(asked, coding, accepted);
  }

  async #replyInCode(
    asked: EndpointRequest,
    coding: string | undefined,
    accepted: string | undefined,
  ): Promise<EndpointReply> {
    const body = coding === undefined ? asked.body : await decodedBody(asked.body, coding);
    return encodedReply(await this.#options.answer({ ...asked, body }), accepted);
  }

  #land(flight: Flight, reply: EndpointReply): void {
    // Whose time was up has been told so.
    if (this.#flights.delete(flight)) this.#write(flight.response, reply);
  }

  #write(response: ServerResponse, { status, headers, body }: EndpointReply): void {
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
    response.writeHead(status, {
      ...headers,
      'Content-Length': length,
      ...(this.#isEnding && { Connection: 'close' }),
    });
    // Text of one byte a character, as nearly all is, is written without being encoded first.
    if (typeof body === 'string') response.end(body, length === body.length ? 'latin1' : 'utf8');
    else response.end(body);
  }

  #sweep(): void {
    const now = Date.now();
    for (const flight of this.#flights) {
      if (flight.deadlineAt > now) return;
      this.#options.timedOut(flight.path, flight.requestId);
      this.#land(flight, errorReply(new DeadlineError('too late'), flight.requestId));
    }
  }
}

interface Hijacked {
  readonly raw: ServerResponse;
  hijack(): unknown;
}
