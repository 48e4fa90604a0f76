import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import {
  Agent,
  type ClientRequest,
  type IncomingMessage,
  type RequestOptions,
  request,
} from 'node:http';
import { SignatureV4 } from '@smithy/signature-v4';
import type { AwsIdentity } from './aws-identity.ts';

/** AWS refused; its name is AWS's code, as of the SDK's errors. */
export class AwsServiceError extends Error {
  readonly status: number;

  constructor(code: string, status: number, message: string) {
    super(message);
    this.name = code;
    this.status = status;
  }
}

/** No answer in time; the SDK's name for it. */
class TimeoutError extends Error {
  override readonly name = 'TimeoutError';
}

export interface AwsRequest {
  readonly method: 'GET' | 'POST';
  /** Percent-encoded. */
  readonly path: string;
  /** Put before the service's name, as S3 has it of buckets. */
  readonly bucket?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface AwsServiceOptions {
  /** What the service's public name begins with, and what requests are signed for. */
  readonly dns: 'dynamodb' | 's3' | 'firehose';
  readonly identity: AwsIdentity;
  readonly maxAttempts: number;
  /** From the connection's being there to the last byte of the answer. */
  readonly requestTimeoutMs: number;
  readonly connectionTimeoutMs?: number;
}

/** Bytes of a reply that AWS gave with a status below 300. */
export type AwsService = (request: AwsRequest) => Promise<Buffer>;

/** SHA-256 as the signer asks for it, by Node's own. */
class NodeSha256 {
  private readonly hash: Hash | Hmac;

  constructor(secret?: string | ArrayBuffer | ArrayBufferView) {
    const key = secret instanceof ArrayBuffer ? new Uint8Array(secret) : secret;
    this.hash = key === undefined ? createHash('sha256') : createHmac('sha256', key as Uint8Array);
  }
  update(data: string | ArrayBuffer | ArrayBufferView): void {
    this.hash.update(data instanceof ArrayBuffer ? new Uint8Array(data) : (data as Uint8Array));
  }
  async digest(): Promise<Uint8Array> {
    return this.hash.digest();
  }
  reset(): void {
    throw new Error('a hash is used once');
  }
}

const throttling = new Set([
  'LimitExceededException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottledException',
  'ServiceUnavailableException',
  'SlowDown',
  'ThrottledException',
  'ThrottlingException',
  'TooManyRequestsException',
]);
const passing = new Set(['RequestTimeout', 'RequestTimeoutException', 'InternalServerError']);

/** Whether the same request may be answered the next time, as where there was no answer in time or no connection. */
function isPassing(error: unknown): boolean {
  if (!(error instanceof AwsServiceError)) {
    return error instanceof TimeoutError || (error instanceof Error && 'code' in error);
  }
  return (
    error.status >= 500 ||
    error.status === 429 ||
    throttling.has(error.name) ||
    passing.has(error.name)
  );
}

/** A random part of a span that grows with each attempt, and is longer where AWS is asked too often. */
function pauseMs(error: unknown, attempt: number): number {
  const base = error instanceof AwsServiceError && throttling.has(error.name) ? 500 : 100;
  return Math.random() * Math.min(20_000, base * 2 ** attempt);
}

const xml = (text: string, element: string): string | undefined =>
  new RegExp(`<${element}>([^<]*)</${element}>`).exec(text)?.[1];

function jsonOf(text: string): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** AWS's reason, in JSON as of DynamoDB or in XML as of S3. */
function refusal(
  status: number,
  headers: IncomingMessage['headers'],
  body: Buffer,
): AwsServiceError {
  const text = body.toString('utf8');
  const json = jsonOf(text);
  const type = json['__type'] ?? headers['x-amzn-errortype'] ?? json['code'];
  // As in com.amazonaws.dynamodb.v20120810#ResourceNotFoundException.
  const code =
    xml(text, 'Code') ?? (type === undefined ? undefined : String(type).split('#').at(-1));
  const message = xml(text, 'Message') ?? json['message'] ?? json['Message'];
  return new AwsServiceError(code ?? 'UnknownError', status, String(message ?? `HTTP ${status}`));
}

type Send = (options: RequestOptions) => ClientRequest;

/** TLS takes as long to load as all else here, and an emulator does without. */
async function sender(protocol: string): Promise<Send> {
  if (protocol === 'http:') {
    const agent = new Agent({ keepAlive: true });
    return (options) => request({ ...options, agent });
  }
  const https = await import('node:https');
  const agent = new https.Agent({ keepAlive: true });
  return (options) => https.request({ ...options, agent });
}

interface TimeLimits {
  readonly connectionTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

async function exchanged(
  call: ClientRequest,
  body: string | undefined,
  { connectionTimeoutMs, requestTimeoutMs }: TimeLimits,
): Promise<Buffer> {
  let late: TimeoutError | undefined;
  const fail = (what: string, ms: number) => {
    late = new TimeoutError(`${call.host} ${what} within ${ms} ms`);
    call.destroy(late);
  };
  const connecting = setTimeout(
    fail,
    connectionTimeoutMs,
    'took no connection',
    connectionTimeoutMs,
  );
  let answering: ReturnType<typeof setTimeout> | undefined;
  const connected = () => {
    clearTimeout(connecting);
    answering = setTimeout(fail, requestTimeoutMs, 'did not answer', requestTimeoutMs);
  };
  call.once('socket', (socket) => {
    if (socket.connecting) socket.once('connect', connected);
    else connected();
  });
  try {
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      call.once('response', resolve).on('error', reject).end(body);
    });
    const parts: Buffer[] = [];
    for await (const part of response) parts.push(part);
    const bytes = Buffer.concat(parts);
    const { statusCode: status = 0, headers } = response;
    if (status >= 200 && status < 300) return bytes;
    throw refusal(status, headers, bytes);
  } catch (error) {
    // Of an answer that has begun Node says only that it was cut off.
    throw late ?? error;
  } finally {
    clearTimeout(connecting);
    clearTimeout(answering);
  }
}

/**
 * Asks a service of AWS by signed requests, as the SDK does, for a function whose start the SDK's clients would
 * make several times as long.
 * @throws AwsServiceError, TimeoutError or Node's error of the connection, after the last attempt.
 */
export function awsService(options: AwsServiceOptions): AwsService {
  const { dns, identity, maxAttempts, requestTimeoutMs, connectionTimeoutMs = 1_000 } = options;
  const endpoint = identity.endpoint(dns);
  const ofBuckets = !identity.elsewhere(dns);
  const signer = new SignatureV4({
    service: dns,
    region: identity.region,
    credentials: identity.credentials,
    sha256: NodeSha256,
    uriEscapePath: dns !== 's3',
  });
  let sending: Promise<Send> | undefined;

  async function attempt({ method, path, bucket, headers, body }: AwsRequest): Promise<Buffer> {
    const named = bucket !== undefined && ofBuckets;
    const hostname = named ? `${bucket}.${endpoint.hostname}` : endpoint.hostname;
    const root = endpoint.pathname.replace(/\/$/, '');
    const signed = await signer.sign({
      method,
      protocol: endpoint.protocol,
      hostname,
      path: root + (bucket === undefined || named ? '' : `/${bucket}`) + path,
      headers: { ...headers, host: endpoint.port ? `${hostname}:${endpoint.port}` : hostname },
      body,
    });
    sending ??= sender(endpoint.protocol);
    const send = await sending;
    const call = send({
      method,
      hostname: hostname.replace(/^\[|\]$/g, ''),
      port: endpoint.port || undefined,
      path: signed.path,
      headers: {
        ...signed.headers,
        ...(body !== undefined && { 'content-length': Buffer.byteLength(body) }),
      },
    });
    return exchanged(call, body, { connectionTimeoutMs, requestTimeoutMs });
  }

  return async (asked) => {
    for (let made = 1; ; made += 1) {
      try {
        return await attempt(asked);
      } catch (error) {
        if (made >= maxAttempts || !isPassing(error)) throw error;
        await new Promise((resolve) => setTimeout(resolve, pauseMs(error, made)));
      }
    }
  };
}
