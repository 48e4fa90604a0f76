// A small OpenID provider: client credentials in, signed access tokens out.
import { randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';

const algorithm = 'RS256';
const lifetimeSeconds = 3600;
const bodyLimitBytes = 64 * 1024;
const host = '127.0.0.1';

export interface IdentityProvider {
  /** `http://127.0.0.1:<port>`, the `iss` of its tokens. */
  readonly issuer: string;
  readonly jwksUri: string;
  readonly tokenEndpoint: string;
  /** The one client there is. */
  readonly clientId: string;
  readonly clientSecret: string;
  /** Closes the port; tokens already given stay valid for whoever has the keys. */
  stop(): Promise<void>;
}

/** An answer of RFC 6749, section 5.2. */
class TokenRequestError extends Error {
  override readonly name = 'TokenRequestError';
  readonly code: string;
  readonly status: number;

  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

interface Provider {
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret: string;
  readonly keyId: string;
  readonly privateKey: CryptoKey;
  readonly keys: object;
}

function send(response: ServerResponse, status: number, document: object): void {
  response.writeHead(status, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    ...(status === 401 ? { 'www-authenticate': 'Basic realm="token"' } : {}),
  });
  response.end(JSON.stringify(document));
}

async function readForm(request: IncomingMessage): Promise<URLSearchParams> {
  const type = request.headers['content-type']?.split(';', 1)[0]?.trim().toLowerCase();
  if (type !== 'application/x-www-form-urlencoded') {
    throw new TokenRequestError(
      'invalid_request',
      `the body must be application/x-www-form-urlencoded, not ${type ?? 'without a type'}`,
    );
  }
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of request) {
    size += part.length;
    if (size > bodyLimitBytes)
      throw new TokenRequestError('invalid_request', 'body too large', 413);
    parts.push(part);
  }
  const form = new URLSearchParams(Buffer.concat(parts).toString());
  for (const name of new Set(form.keys())) {
    if (form.getAll(name).length > 1)
      throw new TokenRequestError('invalid_request', `${name} is given more than once`);
  }
  return form;
}

function same(given: string, expected: string): boolean {
  const [a, b] = [Buffer.from(given), Buffer.from(expected)];
  return a.length === b.length && timingSafeEqual(a, b);
}

/** RFC 6749, section 2.3.1: in the header, form-encoded, or in the body; not both. */
function clientOf(request: IncomingMessage, form: URLSearchParams): [id: string, secret: string] {
  const [scheme, encoded = ''] = (request.headers.authorization ?? '').split(' ', 2);
  if (scheme?.toLowerCase() !== 'basic') {
    return [form.get('client_id') ?? '', form.get('client_secret') ?? ''];
  }
  if (form.has('client_secret')) {
    throw new TokenRequestError('invalid_request', 'the client authenticates in two ways at once');
  }
  const [id = '', ...secret] = Buffer.from(encoded, 'base64').toString().split(':');
  const decode = (text: string) => new URLSearchParams(`v=${text}`).get('v') ?? '';
  return [decode(id), decode(secret.join(':'))];
}

async function grant(provider: Provider, request: IncomingMessage): Promise<object> {
  const form = await readForm(request);
  const grantType = form.get('grant_type');
  if (!grantType) throw new TokenRequestError('invalid_request', 'grant_type is missing');
  const [id, secret] = clientOf(request, form);
  if (!same(id, provider.clientId) || !same(secret, provider.clientSecret)) {
    throw new TokenRequestError('invalid_client', 'unknown client or wrong secret', 401);
  }
  if (grantType !== 'client_credentials') {
    throw new TokenRequestError('unsupported_grant_type', 'only client_credentials is granted');
  }
  const scope = form.get('scope') ?? '';
  if (!/^[\x21\x23-\x5b\x5d-\x7e]*( [\x21\x23-\x5b\x5d-\x7e]+)*$/.test(scope)) {
    throw new TokenRequestError('invalid_scope', 'scope is not a list separated by single spaces');
  }
  const token = new SignJWT({ client_id: id, ...(scope ? { scope } : {}) })
    .setProtectedHeader({ alg: algorithm, typ: 'at+jwt', kid: provider.keyId })
    .setIssuer(provider.issuer)
    .setSubject(id)
    .setAudience(form.get('audience') ?? id)
    .setIssuedAt()
    .setExpirationTime(`${lifetimeSeconds} s`)
    .setJti(randomUUID());
  return {
    access_token: await token.sign(provider.privateKey),
    token_type: 'Bearer',
    expires_in: lifetimeSeconds,
    ...(scope ? { scope } : {}),
  };
}

function configuration(issuer: string): object {
  return {
    issuer,
    jwks_uri: `${issuer}/.well-known/jwks.json`,
    token_endpoint: `${issuer}/oauth2/token`,
    grant_types_supported: ['client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    response_types_supported: [],
    subject_types_supported: ['public'],
    id_token_signing_alg_values_supported: [algorithm],
  };
}

async function answer(
  provider: Provider,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const route = `${request.method} ${(request.url ?? '').split('?', 1)[0]}`;
  try {
    if (route === 'GET /.well-known/openid-configuration') {
      send(response, 200, configuration(provider.issuer));
    } else if (route === 'GET /.well-known/jwks.json') {
      send(response, 200, provider.keys);
    } else if (route === 'POST /oauth2/token') {
      send(response, 200, await grant(provider, request));
    } else {
      send(response, 404, { error: 'not_found' });
    }
  } catch (error) {
    if (!(error instanceof TokenRequestError)) throw error;
    send(response, error.status, { error: error.code, error_description: error.message });
  }
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => resolve((server.address() as AddressInfo).port));
  });
}

/**
 * Starts a provider on 127.0.0.1 with a key and a client of its own.
 * @param options.port TCP port; a free one by default.
 */
export async function startIdentityProvider(
  options: { port?: number } = {},
): Promise<IdentityProvider> {
  const { publicKey, privateKey } = await generateKeyPair(algorithm);
  const keyId = randomUUID();
  const jwk = { ...(await exportJWK(publicKey)), kid: keyId, alg: algorithm, use: 'sig' };
  const server = createServer();
  const issuer = `http://${host}:${await listen(server, options.port ?? 0)}`;
  const provider: Provider = {
    issuer,
    clientId: `client-${randomUUID()}`,
    clientSecret: randomBytes(24).toString('base64url'),
    keyId,
    privateKey,
    keys: { keys: [jwk] },
  };
  server.on('request', (request, response) => {
    answer(provider, request, response).catch(() => response.destroy());
  });
  return {
    issuer,
    jwksUri: `${issuer}/.well-known/jwks.json`,
    tokenEndpoint: `${issuer}/oauth2/token`,
    clientId: provider.clientId,
    clientSecret: provider.clientSecret,
    stop: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
