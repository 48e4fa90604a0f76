// The emulator does these as AWS does; a newer one must too.
import { expect, it } from 'vitest';
import { createFunction } from './functions.ts';
import { useCloud } from './harness.ts';
import { createApi, post } from './rest-api.ts';

const cloud = useCloud();
const limit = { timeout: 60_000 };
const echo = `exports.handler = async (event) => ({ statusCode: 200, body: JSON.stringify(event) });`;
/** Lets `reader` read model a alone, and counts how often it was asked. */
const authorizer = `let asked = 0;
  exports.handler = async ({ headers, authorizationToken, methodArn }) => {
    asked += 1;
    const token = authorizationToken ?? headers.authorization ?? headers.Authorization;
    if (token === 'expired') throw new Error('Unauthorized');
    if (token === 'broken') throw new Error('no keys');
    const Resource = methodArn.replace(/\\/[A-Z]+\\/.*$/, '/*/v1/models/a:predict');
    const Statement = [{ Effect: 'Allow', Action: 'execute-api:Invoke', Resource }];
    return { principalId: token, context: { asked, admin: false },
      policyDocument: { Version: '2012-10-17', Statement } };
  };`;

for (const type of ['REQUEST', 'TOKEN'] as const) {
  it(`a ${type} authorizer decides for each caller and is asked once`, limit, async () => {
    const functionArn = await createFunction(cloud(), `echo-${type}`, echo);
    const settings = {
      type,
      authorizerUri: await createFunction(cloud(), `authorizer-${type}`, authorizer),
      identitySource: 'method.request.header.Authorization',
      authorizerResultTtlInSeconds: 300,
    };
    const { url } = await createApi(cloud(), {
      methods: ['a', 'b'].map((model) => ({
        path: `v1/models/${model}:predict`,
        function: functionArn,
        authorization: 'CUSTOM',
        authorizer: settings,
      })),
    });
    const predict = (model: string, authorization?: string) =>
      post({
        url: `${url}/v1/models/${model}:predict`,
        ...(authorization === undefined ? {} : { headers: { authorization } }),
      });
    expect(await predict('a')).toMatchObject({ status: 401, body: { message: 'Unauthorized' } });
    expect(await predict('a', 'expired')).toMatchObject({ status: 401 });
    expect(await predict('a', 'broken')).toMatchObject({ status: 500 });
    const allowed = await predict('a', 'reader');
    expect(allowed.status).toBe(200);
    const { authorizer: given } = allowed.body.requestContext;
    expect(given).toMatchObject({ principalId: 'reader', admin: 'false' });
    const again = await predict('a', 'reader');
    expect(again.body.requestContext.authorizer).toEqual(given);
    expect(await predict('b', 'reader')).toMatchObject({
      status: 403,
      body: { Message: 'User is not authorized to access this resource' },
    });
  });
}
