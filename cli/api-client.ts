import { CommandError, usageError } from './command-error.ts';
import type { Deployment } from './deployment.ts';
import type { RunningLaptop } from './laptop-file.ts';
import { type Authorize, signedByIam } from './sign-request.ts';

export interface ApiReply {
  readonly status: number;
  /** Parsed JSON, or the text where it is none. */
  readonly body: unknown;
  readonly headers: Headers;
}

export interface ApiClient {
  readonly baseUrl: string;
  /** Sends JSON text; resolves whatever the status. */
  post(path: string, body: string, headers?: Readonly<Record<string, string>>): Promise<ApiReply>;
  /** Resolves whatever the status. */
  get(path: string): Promise<ApiReply>;
}

/** The address callers use; the laptop cloud answers on its own port for the API's host name. */
export function baseUrlOf(deployment: Pick<Deployment, 'parameter' | 'laptop'>): string {
  const url = deployment.parameter('api-url');
  if (!deployment.laptop) return url;
  const match = /^https:\/\/([a-z0-9]+)\.execute-api\.[^/]+(\/.*)?$/.exec(url);
  return match
    ? `${deployment.laptop.endpoint}/_aws/execute-api/${match[1]}${match[2] ?? ''}`
    : url;
}

/**
 * A token of the laptop cloud's identity provider.
 * @throws CommandError where the provider refuses.
 */
export async function laptopToken(
  { identity }: Pick<RunningLaptop, 'identity'>,
  scopes: readonly string[],
): Promise<string> {
  const reply = await fetch(identity.tokenUrl, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: identity.clientId,
      client_secret: identity.clientSecret,
      audience: identity.audience,
      scope: scopes.join(' '),
    }),
  });
  const answer = (await reply.json()) as { access_token?: string; error?: string };
  if (reply.ok && answer.access_token !== undefined) return answer.access_token;
  throw new CommandError(`the identity provider gave no token: ${answer.error ?? reply.status}`);
}

/** Scopes of a caller who may do everything with the given models. */
export const scopesOf = (models: readonly string[]): string[] =>
  models.flatMap((model) => [`${model}:predict`, `${model}:feedback`]);

type Method = 'GET' | 'POST';

/** A laptop's tokens last an hour; they are renewed well before. */
const renewAfterMs = 1_800_000;

function bearer(deployment: Deployment): Authorize {
  const { laptop, models } = deployment;
  if (laptop) {
    let token: Promise<string> | undefined;
    let askedAt = 0;
    return async () => {
      if (token === undefined || Date.now() - askedAt > renewAfterMs) {
        askedAt = Date.now();
        token = laptopToken(laptop, scopesOf(models));
      }
      return { authorization: `Bearer ${await token}` };
    };
  }
  const token = process.env['SLIPWAY_TOKEN'];
  if (token === undefined) {
    throw usageError(
      `the environment '${deployment.environment}' takes JWTs; put one of your identity provider into SLIPWAY_TOKEN`,
    );
  }
  return async () => ({ authorization: `Bearer ${token}` });
}

/** What lets this person's requests into the environment's API: a signature, or a token. */
export const authorizationFor = (deployment: Deployment): Authorize =>
  deployment.parameter('api-auth') === 'iam' ? signedByIam() : bearer(deployment);

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** A caller of the environment's API, with the credentials that it asks for. */
export async function openApi(deployment: Deployment): Promise<ApiClient> {
  const baseUrl = baseUrlOf(deployment);
  const authorize = authorizationFor(deployment);
  const ask = async (
    method: Method,
    path: string,
    body?: string,
    others: Readonly<Record<string, string>> = {},
  ): Promise<ApiReply> => {
    const url = new URL(`${baseUrl}${path}`);
    const headers = { 'content-type': 'application/json', ...others };
    const authorization = await authorize({ method, url, headers, body: body ?? '' });
    const reply = await fetch(url, {
      method,
      headers: { ...headers, ...authorization },
      ...(body !== undefined && { body }),
    });
    return {
      status: reply.status,
      body: parsed(await reply.text()),
      headers: reply.headers,
    };
  };
  return {
    baseUrl,
    post: (path, body, headers) => ask('POST', path, body, headers),
    get: (path) => ask('GET', path),
  };
}
