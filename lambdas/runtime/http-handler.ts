import middy from '@middy/core';
import type { APIGatewayProxyEvent, APIGatewayProxyResult, Context } from 'aws-lambda';
import { decodedBody, encodedReply } from '../../adapters/content-encoding.ts';
import { errorFields, log } from '../../adapters/structured-log.ts';
import { bodyText } from '../../core/inference/body-text.ts';
import { retryAfterTimeout, timeoutText } from '../../core/inference/failure-reply.ts';
import {
  type EndpointReply,
  type EndpointRequest,
  errorReply,
  jsonHeaders,
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

const headersOf = (event: APIGatewayProxyEvent): EndpointRequest['headers'] =>
  Object.fromEntries(
    Object.entries(event.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]),
  );

/** Who asks: the principal of a token, or of a signature. */
function callerOf({ requestContext }: APIGatewayProxyEvent): string | undefined {
  const { authorizer, identity } = requestContext ?? {};
  return authorizer?.['principalId'] ?? identity?.userArn ?? undefined;
}

const requestIdOf = (event: APIGatewayProxyEvent, context: Context): string =>
  event.requestContext?.requestId ?? context.awsRequestId;

/** How long before Lambda would end the function the caller is told so, in the protocol's form. */
const toldBeforeTimeoutMs = 500;

async function requestOf(event: APIGatewayProxyEvent, context: Context): Promise<EndpointRequest> {
  const headers = headersOf(event);
  const { body, isBase64Encoded } = event;
  const bytes = Buffer.from(body ?? '', isBase64Encoded ? 'base64' : 'utf8');
  const remainingMs = context.getRemainingTimeInMillis?.();
  return {
    method: event.httpMethod,
    path: event.path,
    headers,
    body: await decodedBody(bytes, headers['content-encoding']),
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
export const refusalOf = (
  status: number,
  error: unknown,
  { requestId, caller }: Pick<EndpointRequest, 'requestId' | 'caller'>,
): Refusal => ({
  level: status < 500 ? 'warn' : 'error',
  message: 'request refused',
  status,
  // A caller's error is told to the caller alone: its text may hold what they sent.
  fields: { requestId, caller, ...(status < 500 ? {} : errorFields(error)) },
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
      const request = await requestOf(event, context);
      const reply = await answer(request);
      // An API that hands bodies on as bytes takes such replies too.
      const accepted = event.isBase64Encoded ? request.headers['accept-encoding'] : undefined;
      return timed(resultOf(await encodedReply(reply, accepted)), startedAt);
    } catch (error) {
      const requestId = requestIdOf(event, context);
      const reply = errorReply(error, requestId);
      refused(refusalOf(reply.status, error, { requestId, caller: callerOf(event) }));
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
