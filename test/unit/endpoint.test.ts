import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { deflateSync, gunzipSync, gzipSync } from 'node:zlib';
import type { APIGatewayProxyEvent, APIGatewayRequestAuthorizerEvent, Context } from 'aws-lambda';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  type AuthorizerPolicy,
  allowedMethods,
} from '../../core/inference/callers/access-policy.ts';
import { HttpError } from '../../core/inference/http-error.ts';
import { InvalidRequestError } from '../../core/inference/invalid-request-error.ts';
import { NotLiveError, NoVersionLoadedError } from '../../core/inference/versions/live-versions.ts';
import { labelsParser } from '../../core/monitoring/parse-labels.ts';
import {
  type HttpReply,
  type HttpRequest,
  httpHandler,
} from '../../lambdas/runtime/http-handler.ts';
import definition from '../../models/flight-delay/model.ts';

const context = { awsRequestId: 'lambda-1', functionName: 'test' } as Context;
const event = (changes: Partial<APIGatewayProxyEvent> = {}) =>
  ({
    httpMethod: 'POST',
    path: '/v1/models/flight-delay:predict',
    headers: {},
    body: '{}',
    isBase64Encoded: false,
    requestContext: { requestId: 'gateway-1' },
    ...changes,
  }) as APIGatewayProxyEvent;

async function reply(use: (request: HttpRequest) => Promise<HttpReply>, changes = {}) {
  const { statusCode, headers, body } = await httpHandler(use)(event(changes), context);
  return { statusCode, headers: headers ?? {}, body: JSON.parse(body) };
}
const echo = async (request: HttpRequest): Promise<HttpReply> => ({
  status: 200,
  body: { ...request },
});

describe('an HTTP handler', () => {
  test('answers JSON with exactly that type, and the time it took', async () => {
    const { statusCode, headers, body } = await reply(echo);
    expect(statusCode).toBe(200);
    expect(headers['Content-Type']).toBe('application/json');
    expect(headers['Server-Timing']).toMatch(/^handler;dur=\d+\.\d{3}$/);
    expect(body).toMatchObject({ body: '{}', requestId: 'gateway-1' });
  });

  test('reads a body that API Gateway encoded, and one that is not there', async () => {
    const body = Buffer.from('{"ä": 1}').toString('base64');
    expect((await reply(echo, { body, isBase64Encoded: true })).body.body).toBe('{"ä": 1}');
    expect((await reply(echo, { body: null })).body.body).toBe('');
  });

  test.each([
    ['gzip', gzipSync],
    ['deflate', deflateSync],
  ])('reads a body in %s', async (encoding, compress) => {
    const headers = { 'Content-Encoding': encoding };
    const body = compress('{"ä": 1}').toString('base64');
    expect((await reply(echo, { headers, body, isBase64Encoded: true })).body.body).toBe(
      '{"ä": 1}',
    );
  });

  test('compresses a long reply to who asks for it through an API that takes bytes', async () => {
    const body = Buffer.from('x'.repeat(2_000)).toString('base64');
    const asked = { body, isBase64Encoded: true };
    const encoded = async (accept: string, changes = {}) => {
      const headers = { 'Accept-Encoding': accept };
      return httpHandler(echo)(event({ ...asked, headers, ...changes }), context);
    };
    const compressed = await encoded('br, gzip;q=0.5');
    expect(compressed).toMatchObject({
      isBase64Encoded: true,
      headers: { 'Content-Encoding': 'gzip', 'Content-Type': 'application/json' },
    });
    const text = gunzipSync(Buffer.from(compressed.body, 'base64')).toString();
    expect(JSON.parse(text).body).toBe('x'.repeat(2_000));
    for (const result of [
      await encoded('gzip;q=0, br'),
      await encoded('gzip', { body: 'x'.repeat(2_000), isBase64Encoded: false }),
      await encoded('gzip', { body: '' }),
    ]) {
      expect(result).not.toHaveProperty('isBase64Encoded');
      expect(result.headers).not.toHaveProperty('Content-Encoding');
    }
  });

  test.each([
    [new InvalidRequestError(['x: send 1 (received 2)']), 400, 'x: send 1 (received 2)'],
    [new HttpError(404, 'there is nothing'), 404, 'there is nothing'],
    [new NotLiveError('m'), 404, /^model m has no live version yet/],
    [new NoVersionLoadedError('none can be loaded'), 503, 'none can be loaded'],
    [new Error('secret detail'), 500, /^the request failed inside the platform; .* gateway-1$/],
  ])('turns %s into status %i', async (error, status, text) => {
    const { statusCode, headers, body } = await reply(() => Promise.reject(error));
    expect(statusCode).toBe(status);
    expect(headers['Content-Type']).toBe('application/json');
    expect(Object.keys(body)).toEqual(['error']);
    expect(body.error).toMatch(text);
  });

  test.each([
    ['too long', { body: 'x'.repeat(4 * 1024 * 1024 + 1) }, 413],
    [
      'too long once decoded',
      { body: Buffer.alloc(4 * 1024 * 1024 + 1).toString('base64'), isBase64Encoded: true },
      413,
    ],
    ['no UTF-8', { body: Buffer.of(0xff, 0xfe).toString('base64'), isBase64Encoded: true }, 400],
    ['not what its encoding says', { headers: { 'content-encoding': 'gzip' } }, 400],
    ['compressed otherwise', { headers: { 'content-encoding': 'br' } }, 415],
    [
      'too long once uncompressed',
      {
        headers: { 'content-encoding': 'gzip' },
        body: gzipSync(Buffer.alloc(4 * 1024 * 1024 + 1)).toString('base64'),
        isBase64Encoded: true,
      },
      413,
    ],
  ])('refuses a body that is %s', async (_, changes, status) => {
    const { statusCode, body } = await reply(echo, changes);
    expect(statusCode).toBe(status);
    expect(body.error).toBeTypeOf('string');
  });

  test('that is about to be ended by Lambda tells its caller so', async () => {
    const ending = { ...context, getRemainingTimeInMillis: () => 510 };
    const hangs = httpHandler(() => new Promise(() => undefined));
    const { statusCode, body } = await hangs(event(), ending);
    expect(statusCode).toBe(504);
    expect(JSON.parse(body).error).toMatch(/^the answer took longer than is allowed/);
  });

  test('takes a body of four mebibytes', async () => {
    expect((await reply(echo, { body: 'x'.repeat(4 * 1024 * 1024) })).statusCode).toBe(200);
  });
});

const methodArn =
  'arn:aws:execute-api:eu-west-1:123456789012:abc123/live/POST/v1/models/flight-delay:predict';
const stage = 'arn:aws:execute-api:eu-west-1:123456789012:abc123/live';

describe('a scope', () => {
  test.each([
    [
      ['flight-delay:predict'],
      [
        'POST/v1/models/flight-delay:predict',
        'GET/v1/models/flight-delay',
        'GET/v2/models/flight-delay',
        'GET/v2/models/flight-delay/*',
        'POST/v2/models/flight-delay/*',
        'GET/',
        'GET/v2',
        'GET/v2/health/*',
      ],
    ],
    [['flight-delay:feedback'], ['POST/v1/models/flight-delay:feedback']],
    [
      ['*:predict'],
      [
        'POST/v1/models/*:predict',
        'GET/v1/models/*',
        'GET/v2/models/*',
        'GET/v2/models/*/*',
        'POST/v2/models/*/*',
        'GET/',
        'GET/v2',
        'GET/v2/health/*',
      ],
    ],
    [['openid', 'flight-*:predict', 'x:train', 'A:predict', 'a:predict/../b'], []],
  ])('%j allows %j and nothing else', (scopes, routes) => {
    expect(allowedMethods(methodArn, scopes)).toEqual(routes.map((route) => `${stage}/${route}`));
  });
});

describe('the authorizer', () => {
  const audience = 'slipway';
  let server: Server;
  let issuer: string;
  let sign: (claims: Record<string, unknown>, changes?: Partial<Signing>) => Promise<string>;
  let authorize: (token: string | undefined) => Promise<unknown>;

  interface Signing {
    readonly key: CryptoKey;
    readonly issuer: string;
    readonly audience: string;
    readonly expires: string | number;
    readonly subject: string;
  }

  beforeAll(async () => {
    const pair = await generateKeyPair('RS256');
    const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'key-1', alg: 'RS256', use: 'sig' };
    server = createServer((_, response) => {
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify({ keys: [jwk] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    sign = (claims, changes = {}) =>
      new SignJWT(claims)
        .setProtectedHeader({ alg: 'RS256', kid: 'key-1' })
        .setSubject(changes.subject ?? 'caller-1')
        .setIssuer(changes.issuer ?? issuer)
        .setAudience(changes.audience ?? audience)
        .setExpirationTime(changes.expires ?? '1h')
        .sign(changes.key ?? pair.privateKey);
    Object.assign(process.env, {
      JWT_ISSUER: issuer,
      JWT_AUDIENCE: audience,
      JWKS_URI: `${issuer}jwks`,
      CALLER_KEYS: JSON.stringify({ environment: 'dev', shared: 4, named: ['billing'] }),
    });
    const { handler } = await import('../../lambdas/inference/authorize-caller.handler.ts');
    authorize = (token) =>
      handler({
        type: 'REQUEST',
        methodArn,
        headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
      } as unknown as APIGatewayRequestAuthorizerEvent);
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  test('allows the methods that the scopes of a valid token name', async () => {
    expect(await authorize(await sign({ scope: 'openid flight-delay:feedback' }))).toEqual({
      principalId: 'caller-1',
      usageIdentifierKey: expect.stringMatching(/^slipway-dev-shared-00000[0-3]$/),
      policyDocument: {
        Version: '2012-10-17',
        Statement: [
          {
            Action: 'execute-api:Invoke',
            Effect: 'Allow',
            Resource: [`${stage}/POST/v1/models/flight-delay:feedback`],
          },
        ],
      },
    });
    expect(await authorize(await sign({ scp: ['*:predict'] }))).toMatchObject({
      policyDocument: { Statement: [{ Effect: 'Allow' }] },
    });
  });

  test("counts a caller on a key that is theirs, whatever the token's scopes", async () => {
    const keyOf = async (subject: string, scope: string) =>
      ((await authorize(await sign({ scope }, { subject }))) as AuthorizerPolicy)
        .usageIdentifierKey;
    expect(await keyOf('billing', '*:predict')).toMatch(/^slipway-dev-named-[0-9a-f]{16}$/);
    expect(await keyOf('billing', 'openid')).toBe(await keyOf('billing', 'a:predict'));
    expect(await keyOf('anybody', '*:predict')).toBe(await keyOf('anybody', 'a:predict'));
  });

  test('denies everything to a valid token without a scope of ours', async () => {
    expect(await authorize(await sign({ scope: 'openid' }))).toMatchObject({
      policyDocument: { Statement: [{ Effect: 'Deny', Resource: [`${stage}/*`] }] },
    });
  });

  test.each([
    ['another issuer', { issuer: 'https://example.com/' }],
    ['another audience', { audience: 'other' }],
    ['an expired token', { expires: 1_000_000_000 }],
  ])('refuses %s', async (_, changes) => {
    const token = await sign({ scope: '*:predict' }, changes);
    await expect(authorize(token)).rejects.toThrow(/^Unauthorized$/);
  });

  test('refuses a token that is signed by another key, unsigned, cut short or absent', async () => {
    const other = await generateKeyPair('RS256');
    const forged = await sign({ scope: '*:predict' }, { key: other.privateKey });
    const [, claims] = (await sign({ scope: '*:predict' })).split('.');
    const none = Buffer.from('{"alg":"none"}').toString('base64url');
    for (const token of [forged, `${none}.${claims}.`, forged.slice(0, 40), undefined]) {
      await expect(authorize(token)).rejects.toThrow(/^Unauthorized$/);
    }
  });
});

describe('feedback', () => {
  const parse = labelsParser(definition);
  const id = `flight-delay-v1-${'0'.repeat(32)}-0`;
  const labels = (...items: unknown[]) => JSON.stringify({ labels: items });

  test('names a prediction or an entity', () => {
    expect(
      parse(labels({ prediction_id: id, label: 1 }, { entity_key: 'ATL-1', label: 0 })),
    ).toEqual([
      { predictionId: id, label: 1 },
      { entityKey: 'ATL-1', label: 0 },
    ]);
  });

  test.each([
    [
      labels({ prediction_id: id, label: 2 }),
      /^labels\[0\]\.label: must be one of 0, 1 \(rec.* 2\)/,
    ],
    [labels({ prediction_id: id }), /^labels\[0\]\.label: is missing; send what late turned out/],
    [labels({ label: 1 }), /^labels\[0\]\.prediction_id: is missing; send prediction_id or entity/],
    [labels({ prediction_id: id, entity_key: 'x', label: 1 }), /not both/],
    [
      labels({ prediction_id: id.replace('flight', 'train'), label: 1 }),
      /a prediction of flight-d/,
    ],
    [labels({ prediction_id: 7, label: 1 }), /\(received 7\)/],
    [labels({ entity_key: 7, label: 1 }), /entity_key: send a string \(received 7\)/],
    [labels({ prediction_id: id, label: 1, at: 3 }), /"at": is not a known field/],
    [labels(), /^labels: send an array of 1 to 10000 objects/],
    ['{"labels": [{"entity_key": "a", "label": 1, "label": 0}]}', /names a field twice/],
    ['', /^the body is empty/],
  ])('%s is refused', (text, message) => {
    expect(() => parse(text)).toThrow(InvalidRequestError);
    expect(() => parse(text)).toThrow(message);
  });
});
