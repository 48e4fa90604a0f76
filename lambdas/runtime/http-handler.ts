import middy from '@middy/core';
import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';
import { errorFields, log } from '../../adapters/structured-log.ts';
import {
  ContainerBusyError,
  ContainerFaultError,
  ContainerTimeoutError,
} from '../../core/inference/container-errors.ts';
import { InvalidRequestError } from '../../core/inference/invalid-request-error.ts';
import {
  NotLiveError,
  NoVersionLoadedError,
  RetiredError,
} from '../../core/inference/live-versions.ts';
import { HttpError } from './http-error.ts';

/** The same for every endpoint of the platform, whatever its target could take. */
export const maximumRequestBytes = 4 * 1024 * 1024;

export interface HttpRequest {
  readonly method: string;
  readonly path: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** The body's text; empty when there is none. */
  readonly body: string;
  /** API Gateway's id of the request. */
  readonly requestId: string;
}

export interface HttpReply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

function bodyText(event: APIGatewayProxyEvent): string {
  const { body, isBase64Encoded } = event;
  if (!body) return '';
  // Four base64 characters are at most three bytes: too long here is too long decoded.
  const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
  if (bytes.byteLength > maximumRequestBytes) {
    throw new HttpError(
      413,
      `the request has ${bytes.byteLength} bytes and at most ${maximumRequestBytes} are taken; send fewer rows per request`,
    );
  }
  if (!isBase64Encoded) return body;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: false }).decode(bytes);
  } catch {
    throw new InvalidRequestError(['the body is not UTF-8 text; send JSON encoded as UTF-8']);
  }
}

const headersOf = (event: APIGatewayProxyEvent): HttpRequest['headers'] =>
  Object.fromEntries(
    Object.entries(event.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );

function checkEncoding(headers: HttpRequest['headers']): void {
  const encoding = headers['content-encoding']?.trim().toLowerCase();
  if (encoding && encoding !== 'identity') {
    throw new HttpError(
      415,
      `Content-Encoding '${encoding.slice(0, 40)}' is not understood; send the body uncompressed`,
    );
  }
}

function request(event: APIGatewayProxyEvent, context: Context): HttpRequest {
  const headers = headersOf(event);
  checkEncoding(headers);
  return {
    method: event.httpMethod,
    path: event.path,
    headers,
    body: bodyText(event),
    requestId: event.requestContext?.requestId ?? context.awsRequestId,
  };
}

/** Seconds in which what was slow because it was only being started may be there. */
const retryAfterTimeout = '10';

/** What a caller sees of a model's container that has no answer: its own words are in the log. */
function containerReply(error: unknown, requestId: string): HttpReply | undefined {
  if (error instanceof ContainerTimeoutError) {
    const text =
      "the model's container did not answer in time, which it does not when it is only being started; try again in a few seconds, or with fewer rows per request";
    return { status: 504, body: { error: text }, headers: { 'Retry-After': retryAfterTimeout } };
  }
  if (error instanceof ContainerBusyError) {
    const text = "the model's container answers as many requests as it may; try again";
    return { status: 503, body: { error: text }, headers: { 'Retry-After': '1' } };
  }
  if (error instanceof ContainerFaultError) {
    const text = `the model's container gave no prediction; its log and that of request ${requestId} say why`;
    return { status: 502, body: { error: text } };
  }
  return undefined;
}

/** What a caller sees of a failure. Only what is their own to mend is told; the rest is in the log. */
function failureReply(error: unknown, requestId: string): HttpReply {
  if (error instanceof InvalidRequestError) return { status: 400, body: { error: error.message } };
  if (error instanceof NotLiveError || error instanceof RetiredError) {
    return { status: 404, body: { error: error.message } };
  }
  if (error instanceof NoVersionLoadedError) {
    return { status: 503, body: { error: error.message }, headers: { 'Retry-After': '5' } };
  }
  if (error instanceof HttpError) {
    return { status: error.status, body: { error: error.message }, headers: error.headers };
  }
  const container = containerReply(error, requestId);
  if (container) return container;
  return {
    status: 500,
    body: {
      error: `the request failed inside the platform; its log names request ${requestId}`,
    },
  };
}

/** Clients of the KServe protocols read an error only under exactly this Content-Type. */
const jsonReply = (reply: HttpReply): APIGatewayProxyResult => ({
  statusCode: reply.status,
  headers: { ...reply.headers, 'Content-Type': 'application/json' },
  body: JSON.stringify(reply.body),
});

function timed(reply: APIGatewayProxyResult, startedAt: number): APIGatewayProxyResult {
  const duration = (performance.now() - startedAt).toFixed(3);
  return { ...reply, headers: { ...reply.headers, 'Server-Timing': `handler;dur=${duration}` } };
}

/** How long before Lambda would end the function the caller is told so, in the protocol's form. */
const toldBeforeTimeoutMs = 500;

const timeoutText =
  'the answer took longer than is allowed; try again, with fewer rows per request';

/** A request that got no answer, for the log. */
export interface Refusal {
  readonly level: 'warn' | 'error';
  readonly message: string;
  readonly status: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

const logRefusal = ({ level, message, status, fields }: Refusal): void =>
  log(level, message, { status, ...fields });

/**
 * A function behind API Gateway's REST proxy integration. Every reply is JSON, every error's body is
 * `{"error": string}`, and Server-Timing tells the milliseconds spent in the whole handler.
 * @param refused writes the log's line about a request that got no answer.
 */
export function httpHandler(
  use: (request: HttpRequest) => Promise<HttpReply>,
  refused: (refusal: Refusal) => void = logRefusal,
) {
  const handle = async (event: APIGatewayProxyEvent, context: Context) => {
    const startedAt = performance.now();
    const requestId = event.requestContext?.requestId ?? context.awsRequestId;
    try {
      return timed(jsonReply(await use(request(event, context))), startedAt);
    } catch (error) {
      const reply = failureReply(error, requestId);
      const { status } = reply;
      refused({
        level: status < 500 ? 'warn' : 'error',
        message: 'request refused',
        status,
        // A caller's error is told to the caller alone: its text may hold what they sent.
        fields: { requestId, ...(status < 500 ? {} : errorFields(error)) },
      });
      return timed(jsonReply(reply), startedAt);
    }
  };
  return middy(handle, {
    timeoutEarlyInMillis: toldBeforeTimeoutMs,
    timeoutEarlyResponse: () => {
      refused({ level: 'error', message: 'request timed out', status: 504, fields: {} });
      const headers = { 'Retry-After': retryAfterTimeout };
      return jsonReply({ status: 504, body: { error: timeoutText }, headers });
    },
  });
}
