import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodedBody, encodedReply } from '../../adapters/content-encoding.ts';
import {
  type EndpointReply,
  type EndpointRequest,
  errorReply,
  maximumRequestBytes,
} from '../../core/inference/http-messages.ts';
import { DeadlineError } from '../../core/inference/serving-errors.ts';
import { Admission, type AdmissionLimits, type Place } from './admission.ts';
import { type Flight, Flights } from './flights.ts';
import { readBody, statedBytes } from './request-body.ts';

/** How long a request may take: the same for every endpoint of the platform. */
const limitMs = 25_000;
/** How often requests are looked for whose time is up. */
const sweepMs = 250;
/** Longer than the load balancer keeps a connection, so that it is not closed under a request. */
const keepAliveMs = 75_000;
/** A server that ends answers what still comes until so long nothing did. */
const quietMs = 1_500;
const longestQuietWaitMs = 8_000;
/** Then so long for what is asked already, and so long for replies to be fetched. */
const longestAnswerMs = 10_000;
const fetchMs = 500;

interface RequestInFlight extends Flight {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly path: string;
  readonly requestId: string;
  readonly deadlineAt: number;
  readonly place: Place | undefined;
}

export interface HttpServerOptions {
  readonly answer: (request: EndpointRequest) => Promise<EndpointReply>;
  readonly port: number;
  readonly limits: AdmissionLimits;
  /** Told of a request that got no answer in time. */
  readonly timedOut: (path: string, requestId: string) => void;
  /** Told of a request that was not even read. */
  readonly notAdmitted: (path: string, requestId: string, error: unknown) => void;
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

async function until(is: () => boolean, latest: number): Promise<void> {
  while (!is() && Date.now() < latest) await sleep(50);
}

/** Only what is to be computed may be too much: how the server is must be told when it is worst. */
const isAsking = ({ method }: IncomingMessage): boolean => method !== 'GET' && method !== 'HEAD';

/** Speaks HTTP for an endpoint: what it is asked and what it answers is the endpoint's alone. */
export class HttpServer {
  readonly #options: HttpServerOptions;
  readonly #admission: Admission;
  readonly #server: Server;
  /** In the order of their deadlines. */
  readonly #flights = new Flights<RequestInFlight>();
  readonly #timers: readonly ReturnType<typeof setInterval>[];
  #isEnding = false;
  #lastRequestAt = 0;

  constructor(options: HttpServerOptions) {
    this.#options = options;
    this.#admission = new Admission(options.limits);
    this.#server = createServer(
      {
        keepAliveTimeout: keepAliveMs,
        // A slow sender holds a connection no longer than an answer may take.
        requestTimeout: limitMs + 5_000,
      },
      (request, response) => this.#take(request, response),
    );
    this.#server.on('clientError', refuseConnection);
    this.#timers = [setInterval(() => this.#sweep(), sweepMs), this.#admission.watch()];
  }

  /** Whether it is told to go on; a server that ends is no longer ready for more. */
  get accepts(): boolean {
    return !this.#isEnding;
  }

  /** @returns the port, which is another one than 0 */
  listen(): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port, '0.0.0.0', () =>
        resolve((this.#server.address() as AddressInfo).port),
      );
    });
  }

  /**
   * Ends when all that was asked has been answered. From now on it says that it is not ready, and that
   * connections are not to be used again; who had not heard yet is answered as ever.
   */
  async end(): Promise<void> {
    this.#isEnding = true;
    this.#lastRequestAt = Date.now();
    const latest = this.#lastRequestAt + longestQuietWaitMs;
    await until(() => Date.now() - this.#lastRequestAt >= quietMs, latest);
    // Closes idle connections too; the others close with their replies.
    const closed = new Promise((resolve) => this.#server.close(resolve));
    const answered = until(() => this.#flights.count === 0, Date.now() + longestAnswerMs);
    await Promise.race([closed, answered.then(() => sleep(fetchMs))]);
    // Of those that never asked anything, or never to the end, Node does not take leave by itself.
    this.#server.closeAllConnections();
    await closed;
    for (const timer of this.#timers) clearInterval(timer);
  }

  #take(request: IncomingMessage, response: ServerResponse): void {
    const now = Date.now();
    this.#lastRequestAt = now;
    const requestId = requestIdOf(request);
    const path = pathOf(request.url ?? '/');
    let place: Place | undefined;
    if (isAsking(request)) {
      try {
        place = this.#admission.admit(statedBytes(request), maximumRequestBytes);
      } catch (error) {
        // Its body is thrown away unread.
        this.#options.notAdmitted(path, requestId, error);
        this.#write(response, errorReply(error, requestId));
        return;
      }
    }
    const deadlineAt = now + limitMs;
    const flight: RequestInFlight = { request, response, path, requestId, deadlineAt, place };
    this.#flights.add(flight);
    readBody(request, {
      whole: (body) => this.#answer(flight, body),
      refused: (error) => this.#land(flight, errorReply(error, requestId)),
      gone: () => this.#drop(flight),
    });
  }

  #answer(flight: RequestInFlight, body: Uint8Array): void {
    const { deadlineAt, path, place, request, requestId } = flight;
    if (place) this.#admission.weigh(place, body.byteLength);
    const asked: EndpointRequest = {
      method: request.method ?? 'GET',
      path,
      // Those that come several times are joined by Node, but for set-cookie.
      headers: request.headers as EndpointRequest['headers'],
      body,
      requestId,
      deadlineAt,
      caller: headerOf(request, 'x-slipway-caller'),
    };
    this.#replyTo(asked, place).then(
      (reply) => this.#land(flight, reply),
      (error: unknown) => this.#land(flight, errorReply(error, requestId)),
    );
  }

  #replyTo(asked: EndpointRequest, place: Place | undefined): Promise<EndpointReply> {
    const { 'content-encoding': coding, 'accept-encoding': accepted } = asked.headers;
    // Mostly there is neither, and nothing to wait for.
    if (coding === undefined && accepted === undefined) return this.#options.answer(asked);
    return this.#replyInCode(asked, { coding, accepted, place });
  }

  async #replyInCode(
    asked: EndpointRequest,
    {
      coding,
      accepted,
      place,
    }: Pick<RequestInFlight, 'place'> & Readonly<Record<'coding' | 'accepted', string | undefined>>,
  ): Promise<EndpointReply> {
    const body = coding === undefined ? asked.body : await decodedBody(asked.body, coding);
    if (place) this.#admission.weigh(place, body.byteLength);
    return encodedReply(await this.#options.answer({ ...asked, body }), accepted);
  }

  #drop(flight: RequestInFlight): boolean {
    if (flight.place) this.#admission.leave(flight.place);
    return this.#flights.delete(flight);
  }

  #land(flight: RequestInFlight, reply: EndpointReply): void {
    // Whose time was up has been told so.
    if (this.#drop(flight)) this.#write(flight.response, reply);
  }

  #write(response: ServerResponse, { status, headers, body }: EndpointReply): void {
    const length = typeof body === 'string' ? Buffer.byteLength(body) : body.byteLength;
    const fields: (string | number)[] = ['Content-Length', length];
    for (const name in headers) fields.push(name, headers[name] as string);
    if (this.#isEnding) fields.push('Connection', 'close');
    response.writeHead(status, fields as string[]);
    // Text of one byte a character, as nearly all is, is written without being encoded first.
    if (typeof body === 'string') response.end(body, length === body.length ? 'latin1' : 'utf8');
    else response.end(body);
  }

  #sweep(): void {
    const now = Date.now();
    for (let flight = this.#flights.first; flight; flight = this.#flights.first) {
      if (flight.deadlineAt > now) return;
      this.#options.timedOut(flight.path, flight.requestId);
      this.#land(flight, errorReply(new DeadlineError('too late'), flight.requestId));
    }
  }
}
