import { expect, it } from 'vitest';
import { createFunction } from './functions.ts';
import { gapTest, useCloud } from './harness.ts';
import { createApi, post } from './rest-api.ts';

const cloud = useCloud();
const echo = `exports.handler = async (event) => ({ statusCode: 200, body: JSON.stringify(event) });`;

async function api(name: string) {
  const functionArn = await createFunction(cloud(), name, echo);
  return createApi(cloud(), {
    methods: [{ path: 'v2/models/flight-delay/{proxy+}', function: functionArn }],
    binaryMediaTypes: ['application/octet-stream'],
  });
}

gapTest('the event is the one of a REST API', async () => {
  const { id, url } = await api('event');
  const answer = await post({
    url: `${url}/v2/models/flight-delay/versions/3?a=1&a=2&b=%20x`,
    headers: { 'content-type': 'application/json', 'x-thing': 'a', 'user-agent': 'test' },
    body: '{"city":"Zürich"}',
  });
  const { requestContext, headers, multiValueHeaders, ...event } = answer.body;
  expect(event).toEqual({
    resource: '/v2/models/flight-delay/{proxy+}',
    path: '/v2/models/flight-delay/versions/3',
    httpMethod: 'POST',
    queryStringParameters: { a: '2', b: ' x' },
    multiValueQueryStringParameters: { a: ['1', '2'], b: [' x'] },
    pathParameters: { proxy: 'versions/3' },
    stageVariables: null,
    body: '{"city":"Zürich"}',
    isBase64Encoded: false,
  });
  expect(headers).toMatchObject({
    Host: new URL(cloud().endpoint).host,
    'content-type': 'application/json',
    'x-thing': 'a',
    'X-Forwarded-For': '127.0.0.1',
    'X-Forwarded-Proto': 'https',
  });
  expect(headers).not.toHaveProperty('content-length');
  expect(multiValueHeaders['x-thing']).toEqual(['a']);
  expect(requestContext).toEqual({
    accountId: cloud().accountId,
    apiId: id,
    deploymentId: expect.any(String),
    domainName: `${id}.execute-api.${cloud().region}.amazonaws.com`,
    domainPrefix: id,
    extendedRequestId: expect.any(String),
    httpMethod: 'POST',
    identity: {
      accessKey: null,
      accountId: null,
      caller: null,
      cognitoAuthenticationProvider: null,
      cognitoAuthenticationType: null,
      cognitoIdentityId: null,
      cognitoIdentityPoolId: null,
      principalOrgId: null,
      sourceIp: '127.0.0.1',
      user: null,
      userAgent: 'test',
      userArn: null,
    },
    path: '/prod/v2/models/flight-delay/versions/3',
    protocol: 'HTTP/1.1',
    requestId: answer.headers.get('x-amzn-requestid'),
    requestTime: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
    requestTimeEpoch: expect.any(Number),
    resourceId: expect.any(String),
    resourcePath: '/v2/models/flight-delay/{proxy+}',
    stage: 'prod',
  });
});

it('a body of a binary media type arrives in base64', async () => {
  const { url } = await api('binary');
  const { body } = await post({
    url: `${url}/v2/models/flight-delay/infer`,
    headers: { 'content-type': 'application/octet-stream' },
    body: Buffer.from([0, 255, 254]),
  });
  expect(body).toMatchObject({ body: 'AP/+', isBase64Encoded: true });
});
