import {
  APIGatewayClient,
  CreateApiKeyCommand,
  CreateUsagePlanCommand,
  CreateUsagePlanKeyCommand,
  GetRestApiCommand,
} from '@aws-sdk/client-api-gateway';
import { expect } from 'vitest';
import { createFunction } from './functions.ts';
import { clientConfig, deployTemplate, gapTest, useCloud } from './harness.ts';
import { createApi, post } from './rest-api.ts';

const cloud = useCloud();

/** Names the caller's token as the value of its key. */
const authorizer = `exports.handler = async ({ headers, methodArn }) => ({
  principalId: headers.authorization,
  usageIdentifierKey: headers.authorization,
  policyDocument: { Version: '2012-10-17',
    Statement: [{ Effect: 'Allow', Action: 'execute-api:Invoke', Resource: methodArn }] },
});`;
const echo = `exports.handler = async (event) => ({ statusCode: 200, body: JSON.stringify(event) });`;

const keyOf = (caller: string): string => `${caller}-has-a-key-of-20-characters`;

async function limitedApi() {
  const { id, url } = await createApi(cloud(), {
    apiKeySource: 'AUTHORIZER',
    methods: [
      {
        path: 'a',
        function: await createFunction(cloud(), 'echo-keys', echo),
        authorization: 'CUSTOM',
        apiKeyRequired: true,
        authorizer: {
          type: 'REQUEST',
          authorizerUri: await createFunction(cloud(), 'names-keys', authorizer),
          identitySource: 'method.request.header.Authorization',
          authorizerResultTtlInSeconds: 300,
        },
      },
    ],
  });
  const client = new APIGatewayClient(clientConfig(cloud()));
  const { id: usagePlanId } = await client.send(
    new CreateUsagePlanCommand({
      name: 'each',
      // So slow that nothing is given back while the test runs.
      throttle: { rateLimit: 0.001, burstLimit: 2 },
      apiStages: [{ apiId: id, stage: 'prod' }],
    }),
  );
  for (const caller of ['anna', 'ben']) {
    const key = await client.send(new CreateApiKeyCommand({ value: keyOf(caller), enabled: true }));
    const keyId = key.id;
    await client.send(new CreateUsagePlanKeyCommand({ usagePlanId, keyId, keyType: 'API_KEY' }));
  }
  return (authorization: string, headers: Record<string, string> = {}) =>
    post({ url: `${url}/a`, headers: { authorization, ...headers } });
}

gapTest('a caller is counted on the key that the authoriser names, and on no other', async () => {
  const ask = await limitedApi();
  const statuses = async (caller: string, times: number) => {
    const found: number[] = [];
    for (let n = 0; n < times; n++) found.push((await ask(keyOf(caller))).status);
    return found;
  };
  expect(await statuses('anna', 3)).toEqual([200, 200, 429]);
  expect(await statuses('ben', 1)).toEqual([200]);
  // Neither does a key of the caller's own choosing count, nor none at all.
  const borrowed = await ask(keyOf('anna'), { 'x-api-key': keyOf('ben') });
  expect(borrowed.status).toBe(429);
  expect((await ask('nobody-has-a-key-of-20-characters')).status).toBe(403);
  const [given] = [(await ask(keyOf('ben'))).body.requestContext.authorizer];
  expect(given).toEqual({ principalId: keyOf('ben') });
});

gapTest('CloudFormation sets the key source', async () => {
  const { Id } = await deployTemplate(cloud(), 'key-source', {
    Resources: {
      Api: {
        Type: 'AWS::ApiGateway::RestApi',
        Properties: { Name: 'keys', ApiKeySourceType: 'AUTHORIZER' },
      },
    },
    Outputs: { Id: { Value: { Ref: 'Api' } } },
  });
  const client = new APIGatewayClient(clientConfig(cloud()));
  const api = await client.send(new GetRestApiCommand({ restApiId: Id }));
  expect(api.apiKeySource).toBe('AUTHORIZER');
});
