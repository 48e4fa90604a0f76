import { failureReply } from './failure-reply.ts';

/** The same for every endpoint of the platform, whatever its target could take: inflated, too. */
export const maximumRequestBytes = 4 * 1024 * 1024;

/** A request as every door hands it on. */
export interface EndpointRequest {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** By name in lower case. */
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** With its content-encoding undone; empty where there is none. */
  readonly body: Uint8Array;
  readonly requestId: string;
  /** Milliseconds of Date.now(): an answer later than this is of no use. */
  readonly deadlineAt?: number | undefined;
  /** Who asks, where the door knows. */
  readonly caller?: string | undefined;
}

export interface EndpointReply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

/** Clients of the KServe protocols read an error only under exactly this Content-Type. */
export const jsonHeaders: Readonly<Record<string, string>> = { 'Content-Type': 'application/json' };

export const jsonReply = (status: number, body: object): EndpointReply => ({
  status,
  headers: jsonHeaders,
  body: JSON.stringify(body),
});

/** What a failure is as a reply. */
export function errorReply(error: unknown, requestId: string): EndpointReply {
  const { status, error: text, headers } = failureReply(error, requestId);
  return {
    status,
    headers: headers ? { ...headers, ...jsonHeaders } : jsonHeaders,
    body: JSON.stringify({ error: text }),
  };
}
