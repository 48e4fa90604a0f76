import { expect } from 'vitest';
import { createFunction } from './functions.ts';
import { gapTest, useCloud } from './harness.ts';
import { assumeNewRole, createApi, post, sign } from './rest-api.ts';

const cloud = useCloud();

const template =
  '{"error":{"type":"$context.error.responseType","message":$context.error.messageString,"text":"$context.error.message"}}';
const responses = (['DEFAULT_4XX', 'DEFAULT_5XX'] as const).map((responseType) => ({
  responseType,
  responseParameters: { 'gatewayresponse.header.x-api': "'test'" },
  responseTemplates: { 'application/json': template },
}));

const answers: Record<string, string> = {
  throws: 'throw new Error("a secret of the handler")',
  object: 'return { prediction: 1 }',
  nothing: 'return undefined',
  structured: 'return { statusCode: 200, body: { a: 1 } }',
  slow: 'await new Promise((resolve) => setTimeout(resolve, 3000)); return { statusCode: 200 }',
  fine: 'return { statusCode: 200, body: "{}" }',
};

async function apiThat(answer: keyof typeof answers, authorization: 'NONE' | 'AWS_IAM' = 'NONE') {
  const code = `exports.handler = async () => { ${answers[answer]}; };`;
  const functionArn = await createFunction(cloud(), `${answer}-${authorization}`, code);
  const method = { path: 'a', function: functionArn, authorization, timeoutMs: 1000 };
  const { url } = await createApi(cloud(), { responses, methods: [method] });
  return `${url}/a`;
}

for (const answer of ['throws', 'object', 'nothing', 'structured']) {
  gapTest(`a function that answers ${answer} is a 502 that gives nothing away`, async () => {
    const { status, headers, body } = await post({ url: await apiThat(answer) });
    expect(status).toBe(502);
    expect(headers.get('x-amzn-errortype')).toBe('InternalServerErrorException');
    expect(headers.get('x-api')).toBe('test');
    expect(body.error).toEqual({
      type: 'DEFAULT_5XX',
      message: 'Internal server error',
      text: 'Internal server error',
    });
  });
}

gapTest('a function that is slower than the integration allows is a 504', async () => {
  const { status, body } = await post({ url: await apiThat('slow') });
  expect(status).toBe(504);
  expect(body.error).toMatchObject({
    type: 'INTEGRATION_TIMEOUT',
    message: 'Endpoint request timed out',
  });
});

gapTest('a body over 10 MiB is a 413', async () => {
  const url = await apiThat('fine');
  const limit = 10 * 1024 * 1024;
  const { status, body } = await post({ url, body: Buffer.alloc(limit + 1, 'x') });
  expect(status).toBe(413);
  expect(body.error.type).toBe('REQUEST_TOO_LARGE');
});

gapTest('a caller without the permission is a 403 that hides the account', async () => {
  const url = await apiThat('fine', 'AWS_IAM');
  const stranger = await assumeNewRole(cloud(), 'stranger', []);
  const { status, headers, body } = await post(await sign(cloud(), stranger, url));
  expect(status).toBe(403);
  expect(headers.get('x-amzn-errortype')).toBe('AccessDeniedException');
  expect(headers.get('x-api')).toBe('test');
  expect(body.error.type).toBe('ACCESS_DENIED');
  expect(body.error.message).toMatch(
    /^User: arn:aws:sts::\d+:assumed-role\/stranger\/test is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:[a-z0-9-]+:\*{8}0000:[a-z0-9]+\/prod\/POST\/a/,
  );
});
