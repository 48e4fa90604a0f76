import middy from '@middy/core';
import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';
import { errorFields, log } from '../../adapters/structured-log.ts';
import { bodyText } from '../../core/inference/body-text.ts';
import { retryAfterTimeout, timeoutText } from '../../core/inference/failure-reply.ts';
import { HttpError } from '../../core/inference/http-error.ts';
import {
  type EndpointReply,
  type EndpointRequest,
  errorReply,
  jsonHeaders,
  maximumRequestBytes,
} from '../../core/inference/http-messages.ts';

export interface HttpRequest extends Omit<EndpointRequest, 'body'> {
  /** The body's text; empty when there is none. */
  readonly body: string;
}

export interface HttpReply {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
  readonly headers?: Readonly<Record<string, string>>;
}

function bodyOf({ body, isBase64Encoded }: APIGatewayProxyEvent): Buffer {
  const bytes = Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8');
  if (bytes.byteLength > maximumRequestBytes) {
    throw new HttpError(
      413,
      `the request has ${bytes.byteLength} bytes and at most ${maximumRequestBytes} are taken; send fewer rows per request`,
    );
  }
  return bytes;
}

const headersOf = (event: APIGatewayProxyEvent): EndpointRequest['headers'] =>
  Object.fromEntries(
    Object.entries(event.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );

function checkEncoding(headers: EndpointRequest['headers']): void {
  const encoding = headers['content-encoding']?.trim().toLowerCase();
  if (encoding && encoding !== 'identity') {
    throw new HttpError(
      415,
      `Content-Encoding '${encoding.slice(0, 40)}' is not understood; send the body uncompressed`,
    );
  }
}

/** Who asks: the principal of a token, or of a signature. */
function callerOf({ requestContext }: APIGatewayProxyEvent): string | undefined {
  const { authorizer, identity } = requestContext ?? {};
  return authorizer?.['principalId'] ?? identity?.userArn ?? undefined;
}

const requestIdOf = (event: APIGatewayProxyEvent, context: Context): string =>
  event.requestContext?.requestId ?? context.awsRequestId;

/** How long before Lambda would end the function the caller is told so, in the protocol's form. */
const toldBeforeTimeoutMs = 500;

function requestOf(event: APIGatewayProxyEvent, context: Context): EndpointRequest {
  const headers = headersOf(event);
  checkEncoding(headers);
  const remainingMs = context.getRemainingTimeInMillis?.();
  return {
    method: event.httpMethod,
    path: event.path,
    headers,
    body: bodyOf(event),
    requestId: requestIdOf(event, context),
    caller: callerOf(event),
    deadlineAt:
      remainingMs === undefined ? undefined : Date.now() + remainingMs - toldBeforeTimeoutMs,
  };
}

function resultOf({ status, headers, body }: EndpointReply): APIGatewayProxyResult {
  if (typeof body === 'string') return { statusCode: status, headers: { ...headers }, body };
  const { buffer, byteOffset, byteLength } = body;
  return {
    statusCode: status,
    headers: { ...headers },
    body: Buffer.from(buffer, byteOffset, byteLength).toString('base64'),
    isBase64Encoded: true,
  };
}

function timed(result: APIGatewayProxyResult, startedAt: number): APIGatewayProxyResult {
  const duration = (performance.now() - startedAt).toFixed(3);
  return { ...result, headers: { ...result.headers, 'Server-Timing': `handler;dur=${duration}` } };
}

/** A request that got no answer, for the log. */
export interface Refusal {
  readonly level: 'warn' | 'error';
  readonly message: string;
  readonly status: number;
  readonly fields: Readonly<Record<string, unknown>>;
}

/** What the log says of a failure. */
export const refusalOf = (status: number, error: unknown, requestId: string): Refusal => ({
  level: status < 500 ? 'warn' : 'error',
  message: 'request refused',
  status,
  // A caller's error is told to the caller alone: its text may hold what they sent.
  fields: { requestId, ...(status < 500 ? {} : errorFields(error)) },
});

const logRefusal = ({ level, message, status, fields }: Refusal): void =>
  log(level, message, { status, ...fields });

/**
 * A function behind API Gateway's REST proxy integration. Every error's body is `{"error": string}`, and
 * Server-Timing tells the milliseconds spent in the whole handler.
 * @param refused writes the log's line about a request that got no answer.
 */
export function gatewayHandler(
  answer: (request: EndpointRequest) => Promise<EndpointReply>,
  refused: (refusal: Refusal) => void = logRefusal,
) {
  const handle = async (event: APIGatewayProxyEvent, context: Context) => {
    const startedAt = performance.now();
    try {
      return timed(resultOf(await answer(requestOf(event, context))), startedAt);
    } catch (error) {
      const requestId = requestIdOf(event, context);
      const reply = errorReply(error, requestId);
      refused(refusalOf(reply.status, error, requestId));
      return timed(resultOf(reply), startedAt);
    }
  };
  return middy(handle, {
    timeoutEarlyInMillis: toldBeforeTimeoutMs,
    timeoutEarlyResponse: () => {
      refused({ level: 'error', message: 'request timed out', status: 504, fields: {} });
      const headers = { 'Retry-After': retryAfterTimeout, ...jsonHeaders };
      return resultOf({ status: 504, headers, body: JSON.stringify({ error: timeoutText }) });
    },
  });
}

/** The same for a function that takes text and answers JSON. */
export function httpHandler(
  use: (request: HttpRequest) => Promise<HttpReply>,
  refused?: (refusal: Refusal) => void,
) {
  return gatewayHandler(async (request) => {
    const { status, headers, body } = await use({ ...request, body: bodyText(request.body) });
    return { status, headers: { ...headers, ...jsonHeaders }, body: JSON.stringify(body) };
  }, refused);
}
