import { createRemoteJWKSet, jwtVerify } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type IdentityProvider, startIdentityProvider } from '../../../local/identity-provider.ts';

let provider: IdentityProvider;
beforeAll(async () => {
  provider = await startIdentityProvider();
});
afterAll(() => provider.stop());

const basic = (id: string, secret: string) => ({
  authorization: `Basic ${Buffer.from(`${encodeURIComponent(id)}:${encodeURIComponent(secret)}`).toString('base64')}`,
});

async function request(form: Record<string, string>, headers: Record<string, string> = {}) {
  const body = new URLSearchParams(form);
  const answer = await fetch(provider.tokenEndpoint, { method: 'POST', headers, body });
  return {
    status: answer.status,
    headers: answer.headers,
    body: (await answer.json()) as { access_token: string },
  };
}

const clientInBody = () => ({
  grant_type: 'client_credentials',
  client_id: provider.clientId,
  client_secret: provider.clientSecret,
});

it('tells where everything is', async () => {
  const answer = await fetch(`${provider.issuer}/.well-known/openid-configuration`);
  expect(await answer.json()).toMatchObject({
    issuer: provider.issuer,
    jwks_uri: provider.jwksUri,
    token_endpoint: provider.tokenEndpoint,
  });
});

it('gives a token that its published keys verify', async () => {
  const { status, headers, body } = await request({
    ...clientInBody(),
    scope: 'model:a model:b',
    audience: 'https://api.example',
  });
  expect(status).toBe(200);
  expect(headers.get('cache-control')).toBe('no-store');
  expect(body).toMatchObject({ token_type: 'Bearer', expires_in: 3600, scope: 'model:a model:b' });
  const keys = createRemoteJWKSet(new URL(provider.jwksUri));
  const { payload } = await jwtVerify(body.access_token, keys, {
    issuer: provider.issuer,
    audience: 'https://api.example',
    algorithms: ['RS256'],
  });
  expect(payload).toMatchObject({ sub: provider.clientId, scope: 'model:a model:b' });
  expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(3600);
});

it('takes the client from the header as well', async () => {
  const client = basic(provider.clientId, provider.clientSecret);
  const { status, body } = await request({ grant_type: 'client_credentials' }, client);
  expect(status).toBe(200);
  expect(body).not.toHaveProperty('scope');
});

it('publishes no private part of its key', async () => {
  const { keys } = (await (await fetch(provider.jwksUri)).json()) as { keys: object[] };
  expect(keys).toHaveLength(1);
  expect(Object.keys(keys[0] ?? {}).sort()).toEqual(['alg', 'e', 'kid', 'kty', 'n', 'use']);
});

it('signs with a key of its own', async () => {
  const other = await startIdentityProvider();
  try {
    const { body } = await request(clientInBody());
    const keys = createRemoteJWKSet(new URL(other.jwksUri));
    await expect(jwtVerify(body.access_token, keys)).rejects.toMatchObject({
      code: 'ERR_JWKS_NO_MATCHING_KEY',
    });
  } finally {
    await other.stop();
  }
});

it('refuses as RFC 6749 says', async () => {
  const wrongSecret = await request({ ...clientInBody(), client_secret: 'guessed' });
  expect(wrongSecret).toMatchObject({ status: 401, body: { error: 'invalid_client' } });
  expect(wrongSecret.headers.get('www-authenticate')).toMatch(/^Basic/);
  const { grant_type: _none, ...client } = clientInBody();
  expect(await request(client)).toMatchObject({ status: 400, body: { error: 'invalid_request' } });
  expect(await request({ ...client, grant_type: 'password' })).toMatchObject({
    status: 400,
    body: { error: 'unsupported_grant_type' },
  });
  expect(await request({ ...clientInBody(), scope: 'a"b' })).toMatchObject({
    status: 400,
    body: { error: 'invalid_scope' },
  });
  const both = basic(provider.clientId, provider.clientSecret);
  expect(await request(clientInBody(), both)).toMatchObject({
    status: 400,
    body: { error: 'invalid_request' },
  });
});
