import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import fc from 'fast-check';
import { afterEach, describe, expect, test } from 'vitest';
import * as z from 'zod';
import { functionIdentity } from '../../adapters/aws-identity.ts';
import { type AwsServiceOptions, awsService } from '../../adapters/aws-requests.ts';
import { ObjectNotFoundError, ObjectStoreError } from '../../adapters/object-errors.ts';
import { requestedObjects } from '../../adapters/requested-objects.ts';
import { requestedTable } from '../../adapters/requested-table.ts';

const secretAccessKey = 'its/secret+key';
const variables = {
  AWS_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
  AWS_SECRET_ACCESS_KEY: secretAccessKey,
  AWS_SESSION_TOKEN: 'a session/token==',
};

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const servers: Server[] = [];
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

/** A service that answers as it is told, one answer a request, the last one from then on. */
async function service(
  ...answers: readonly ((response: ServerResponse) => void)[]
): Promise<{ url: string; asked: Asked[] }> {
  const asked: Asked[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part);
    const { method = '', url = '', headers } = request;
    asked.push({ method, url, headers, body: Buffer.concat(parts).toString() });
    answers[Math.min(asked.length, answers.length) - 1]?.(response);
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

const says =
  (status: number, body: string, headers = {}) =>
  (response: ServerResponse) => {
    response.writeHead(status, headers).end(body);
  };
const silent = () => undefined;

const toService = (url: string, options: Partial<AwsServiceOptions> = {}) =>
  awsService({
    dns: 'dynamodb',
    identity: functionIdentity({ ...variables, AWS_ENDPOINT_URL: url }),
    maxAttempts: 2,
    requestTimeoutMs: 30_000,
    ...options,
  });
const anything = { method: 'POST', path: '/', body: '{}' } as const;

const hmac = (key: string | Buffer, text: string) =>
  createHmac('sha256', key).update(text).digest();
const hex = (text: string) => createHash('sha256').update(text).digest('hex');

/** Signature Version 4 as AWS's documents have it, from what came over the wire. */
function signatureOf({ method, url, headers, body }: Asked, name: string): string {
  const [path = '', search = ''] = url.split('?');
  const listed = /SignedHeaders=([^,]*)/.exec(headers.authorization ?? '')?.[1] ?? '';
  const values = listed
    .split(';')
    .map((header) => `${header}:${String(headers[header]).trim().replace(/ +/g, ' ')}\n`);
  const date = String(headers['x-amz-date']);
  const scope = `${date.slice(0, 8)}/eu-west-1/${name}/aws4_request`;
  const payload = headers['x-amz-content-sha256'] ?? hex(body);
  const query = search
    .split('&')
    .sort()
    .map((part) => (part.includes('=') || !part ? part : `${part}=`));
  const canonical = [method, path, query.join('&'), values.join(''), listed, payload].join('\n');
  const toSign = ['AWS4-HMAC-SHA256', date, scope, hex(canonical)].join('\n');
  const key = scope.split('/').reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  return hmac(key, toSign).toString('hex');
}
const signed = ({ headers }: Asked) => /Signature=(\w+)/.exec(headers.authorization ?? '')?.[1];

const credentials = {
  accessKeyId: variables.AWS_ACCESS_KEY_ID,
  secretAccessKey,
  sessionToken: variables.AWS_SESSION_TOKEN,
};
const key = fc
  .array(fc.string({ minLength: 1, maxLength: 8, unit: 'binary' }), { minLength: 1, maxLength: 3 })
  .map((parts) => parts.map((part) => part.replaceAll('/', '') || 'x').join('/'))
  // Of these an address has another meaning, wherever it is sent.
  .filter((name) => name.isWellFormed() && !name.split('/').some((part) => /^\.{1,2}$/.test(part)));

describe('a signed request', () => {
  test('has the signature that is in AWS’s documents, as the SDK’s have', async () => {
    const { url, asked } = await service(says(200, '{}'));
    const sdk = new DynamoDBClient({ endpoint: url, region: 'eu-west-1', credentials });
    await sdk.send(new GetItemCommand({ TableName: 't', Key: { pk: { S: 'é' } } }));
    await toService(url)({ ...anything, body: '{"é":1}' });
    expect(asked).toHaveLength(2);
    for (const request of asked) {
      expect(request.headers['x-amz-security-token']).toBe(credentials.sessionToken);
      expect(signed(request)).toBe(signatureOf(request, 'dynamodb'));
    }
    sdk.destroy();
  });

  test('asks S3 for the object that the SDK asks for, whatever its key', async () => {
    const { url, asked } = await service(says(200, 'content'));
    const s3 = { endpoint: url, region: 'eu-west-1', credentials, forcePathStyle: true };
    const sdk = new S3Client(s3);
    const objects = requestedObjects('artifacts', toService(url, { dns: 's3' }));
    await fc.assert(
      fc.asyncProperty(key, async (Key) => {
        asked.length = 0;
        const reply = await sdk.send(new GetObjectCommand({ Bucket: 'artifacts', Key }));
        await reply.Body?.transformToByteArray();
        expect((await objects.get(Key)).toString()).toBe('content');
        const [theirs, ours] = asked;
        expect(ours?.url).toBe(theirs?.url.split('?')[0]);
        for (const request of asked) expect(signed(request)).toBe(signatureOf(request, 's3'));
      }),
      { numRuns: 50 },
    );
    sdk.destroy();
  });

  test('goes to the service of the region, a bucket by its name', () => {
    const identity = functionIdentity(variables);
    expect(identity.endpoint('s3').href).toBe('https://s3.eu-west-1.amazonaws.com/');
    const china = functionIdentity({ ...variables, AWS_REGION: 'cn-north-1' });
    expect(china.endpoint('dynamodb').href).toBe('https://dynamodb.cn-north-1.amazonaws.com.cn/');
    const own = functionIdentity({
      ...variables,
      AWS_ENDPOINT_URL: 'http://all',
      AWS_ENDPOINT_URL_S3: 'http://bytes',
    });
    expect([own.endpoint('s3').host, own.endpoint('firehose').host]).toEqual(['bytes', 'all']);
    expect([own.elsewhere('s3'), identity.elsewhere('s3')]).toEqual([true, false]);
  });

  test('says which variable of the function is missing', async () => {
    const { url } = await service(says(200, '{}'));
    const { AWS_SECRET_ACCESS_KEY: _, ...rest } = variables;
    const identity = functionIdentity({ ...rest, AWS_ENDPOINT_URL: url });
    await expect(toService(url, { identity })(anything)).rejects.toThrow('AWS_SECRET_ACCESS_KEY');
  });
});

describe('a service that does not answer', () => {
  test.each([
    ['fails', says(503, '<Error><Code>ServiceUnavailable</Code></Error>')],
    ['throttles', says(400, '{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}')],
    ['cuts the connection', (response: ServerResponse) => response.destroy()],
    [
      'stops in the middle',
      (response: ServerResponse) => {
        response.writeHead(200, { 'content-length': 100 }).write('{');
        setImmediate(() => response.destroy());
      },
    ],
  ])('is asked once more where it %s', async (_what, first) => {
    const { url, asked } = await service(first, says(200, 'there'));
    expect((await toService(url)(anything)).toString()).toBe('there');
    expect(asked).toHaveLength(2);
  });

  test('is asked as often as is said', async () => {
    const { url, asked } = await service(says(500, '{}'));
    await expect(toService(url, { maxAttempts: 1 })(anything)).rejects.toMatchObject({
      name: 'UnknownError',
      status: 500,
    });
    expect(asked).toHaveLength(1);
  });

  test.each([
    ['JSON', says(400, '{"__type":"com.amazonaws.x#ResourceNotFoundException","message":"no t"}')],
    [
      'XML',
      says(404, '<Error><Code>ResourceNotFoundException</Code><Message>no t</Message></Error>'),
    ],
    [
      'a header',
      says(400, '{"Message":"no t"}', { 'x-amzn-errortype': 'ResourceNotFoundException' }),
    ],
  ])('is not asked again where it refuses, and is heard: in %s', async (_form, refuses) => {
    const { url, asked } = await service(refuses);
    const failure = toService(url)(anything);
    await expect(failure).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
      message: 'no t',
    });
    expect(asked).toHaveLength(1);
  });

  test.each([
    ['says nothing', silent],
    ['does not come to an end', (response: ServerResponse) => response.writeHead(200).write('{')],
  ])('is left where it %s', async (_what, hangs) => {
    const { url } = await service(hangs);
    const failure = toService(url, { requestTimeoutMs: 50 })(anything);
    await expect(failure).rejects.toMatchObject({ name: 'TimeoutError' });
  });

  test('is known by its objects’ errors', async () => {
    const gone = await service(says(404, '<Error><Code>NoSuchKey</Code></Error>'));
    const get = (url: string) =>
      requestedObjects('artifacts', toService(url, { dns: 's3' })).get('a/b');
    await expect(get(gone.url)).rejects.toBeInstanceOf(ObjectNotFoundError);
    const closed = await service(says(403, '<Error><Code>AccessDenied</Code></Error>'));
    await expect(get(closed.url)).rejects.toThrow(
      new ObjectStoreError('could not read s3://artifacts/a/b: AccessDenied 403 HTTP 403'),
    );
  });
});

describe('a table that is read', () => {
  const Numbered = z.object({ n: z.number() });
  const item = (n: number) => ({ document: { M: { n: { N: String(n) } } } });
  const page = (numbers: readonly number[], more: boolean) =>
    says(
      200,
      JSON.stringify({
        Items: numbers.map(item),
        ...(more && { LastEvaluatedKey: { pk: { S: 'p' }, sk: { S: String(numbers.at(-1)) } } }),
      }),
    );

  test('gives a record, and undefined where there is none', async () => {
    const { url, asked } = await service(
      says(200, JSON.stringify({ Item: item(7) })),
      says(200, '{}'),
    );
    const table = requestedTable('registry', toService(url));
    const get = () => table.get({ pk: 'a', sk: 'b' }, Numbered, 'a number');
    expect(await get()).toEqual({ n: 7 });
    expect(await get()).toBeUndefined();
    expect(JSON.parse(asked[0]?.body ?? '')).toEqual({
      TableName: 'registry',
      Key: { pk: { S: 'a' }, sk: { S: 'b' } },
      ConsistentRead: true,
    });
  });

  test('is listed page by page, no further than is asked', async () => {
    const pages = [page([1, 2], true), page([3], true), page([4], false)];
    const all = await service(...pages);
    const list = (url: string, limit?: number) =>
      requestedTable('registry', toService(url)).list(
        { pk: 'p', prefix: 'x', ...(limit && { limit }) },
        Numbered,
        'a number',
      );
    expect(await list(all.url)).toEqual([{ n: 1 }, { n: 2 }, { n: 3 }, { n: 4 }]);
    expect(JSON.parse(all.asked[1]?.body ?? '')).toMatchObject({
      ExpressionAttributeValues: { ':pk': { S: 'p' }, ':prefix': { S: 'x' } },
      ExclusiveStartKey: { pk: { S: 'p' }, sk: { S: '2' } },
      ConsistentRead: true,
    });
    const some = await service(...pages);
    expect(await list(some.url, 1)).toEqual([{ n: 1 }]);
    expect(some.asked).toHaveLength(1);
  });
});
