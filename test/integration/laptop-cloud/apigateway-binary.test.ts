import { request } from 'node:http';
import { gunzipSync, gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { createFunction } from './functions.ts';
import { deployTemplate, gapTest, useCloud } from './harness.ts';
import { createApi } from './rest-api.ts';

const cloud = useCloud();

/** Gives back what it was given, as bytes. */
const mirror = `exports.handler = async ({ body, isBase64Encoded, headers }) => ({
  statusCode: 200, isBase64Encoded: true,
  headers: { 'Content-Type': 'application/octet-stream', 'x-base64': String(isBase64Encoded),
    ...(headers['content-encoding'] && { 'Content-Encoding': headers['content-encoding'] }) },
  body: isBase64Encoded ? body : Buffer.from(body ?? '').toString('base64'),
});`;

/** As clients that name no type: fetch names one, and undoes an encoding. */
function send(url: string, method: string, headers: Record<string, string>, body?: Uint8Array) {
  return new Promise<{ status: number; headers: Record<string, unknown>; body: Buffer }>(
    (resolve, reject) => {
      const sent = request(url, { method, headers }, async (reply) => {
        const chunks: Buffer[] = [];
        for await (const chunk of reply) chunks.push(chunk);
        const { statusCode: status = 0 } = reply;
        resolve({ status, headers: reply.headers, body: Buffer.concat(chunks) });
      });
      sent.on('error', reject);
      sent.end(body);
    },
  );
}

const bytes = Buffer.from([0, 255, 254, 1]);

async function mirrorApi(): Promise<string> {
  const functionArn = await createFunction(
    cloud(),
    `mirror-${Math.random()}`.replace('.', ''),
    mirror,
  );
  const methods = [{ path: 'a', function: functionArn }];
  return `${(await createApi(cloud(), { methods, binaryMediaTypes: ['*/*'] })).url}/a`;
}

gapTest('where every type is binary, so is a body without one, both ways', async () => {
  const reply = await send(await mirrorApi(), 'POST', {}, bytes);
  expect(reply.headers['x-base64']).toBe('true');
  expect(reply.body).toEqual(bytes);
});

it('a compressed body arrives as it was sent, both ways', async () => {
  const headers = { 'content-encoding': 'gzip', 'content-type': 'application/json', accept: '*/*' };
  const reply = await send(await mirrorApi(), 'POST', headers, gzipSync('{"a":1}'));
  expect(reply.headers['content-encoding']).toBe('gzip');
  expect(gunzipSync(reply.body).toString()).toBe('{"a":1}');
});

gapTest('a mock answers where every type is binary only if it converts to text', async () => {
  const method = (part: string, ContentHandling?: string) => ({
    [`${part}Resource`]: {
      Type: 'AWS::ApiGateway::Resource',
      Properties: {
        RestApiId: { Ref: 'Api' },
        ParentId: { 'Fn::GetAtt': ['Api', 'RootResourceId'] },
        PathPart: part,
      },
    },
    [`${part}Method`]: {
      Type: 'AWS::ApiGateway::Method',
      Properties: {
        RestApiId: { Ref: 'Api' },
        ResourceId: { Ref: `${part}Resource` },
        HttpMethod: 'GET',
        AuthorizationType: 'NONE',
        Integration: {
          Type: 'MOCK',
          ...(ContentHandling && { ContentHandling }),
          RequestTemplates: { 'application/json': '{"statusCode": 200}' },
          IntegrationResponses: [
            { StatusCode: '200', ResponseTemplates: { 'application/json': '{"live":true}' } },
          ],
        },
        MethodResponses: [{ StatusCode: '200' }],
      },
    },
  });
  const { Id } = await deployTemplate(cloud(), 'mocks', {
    Resources: {
      Api: {
        Type: 'AWS::ApiGateway::RestApi',
        Properties: { Name: 'm', BinaryMediaTypes: ['*/*'] },
      },
      ...method('text', 'CONVERT_TO_TEXT'),
      ...method('bytes'),
      Deployment: {
        Type: 'AWS::ApiGateway::Deployment',
        DependsOn: ['textMethod', 'bytesMethod'],
        Properties: { RestApiId: { Ref: 'Api' }, StageName: 'prod' },
      },
    },
    Outputs: { Id: { Value: { Ref: 'Api' } } },
  });
  const url = `${cloud().endpoint}/_aws/execute-api/${Id}/prod`;
  const text = await send(`${url}/text`, 'GET', {});
  expect([text.status, text.body.toString()]).toEqual([200, '{"live":true}']);
  expect((await send(`${url}/bytes`, 'GET', {})).status).toBe(500);
});
