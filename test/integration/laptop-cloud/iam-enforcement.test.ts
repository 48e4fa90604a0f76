import { createRequire } from 'node:module';
import { CreateTableCommand, DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import {
  CreateBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  ListBucketsCommand,
  PutBucketPolicyCommand,
  PutBucketVersioningCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { describe, expect } from 'vitest';
import { createFunction, invoke } from './functions.ts';
import { clientConfig, gapTest, useCloud } from './harness.ts';
import { assumeNewRole, createApi, post, sign } from './rest-api.ts';

const cloud = useCloud();

const echo = `exports.handler = async (event) => ({ statusCode: 200, body: JSON.stringify(event) });`;

describe('a service call', () => {
  gapTest('of a role is refused unless a policy allows the action on the resource', async () => {
    const account = new S3Client(clientConfig(cloud()));
    for (const Bucket of ['allowed', 'forbidden']) {
      await account.send(new CreateBucketCommand({ Bucket }));
    }
    const credentials = await assumeNewRole(cloud(), 'writer', [
      { Effect: 'Allow', Action: 's3:PutObject', Resource: 'arn:aws:s3:::allowed/landing/*' },
    ]);
    const s3 = new S3Client({ ...clientConfig(cloud()), credentials });
    const put = (Bucket: string, Key: string) =>
      s3.send(new PutObjectCommand({ Bucket, Key, Body: 'x' }));
    await put('allowed', 'landing/a');
    await expect(put('allowed', 'elsewhere/a')).rejects.toMatchObject({ name: 'AccessDenied' });
    await expect(put('forbidden', 'landing/a')).rejects.toMatchObject({ name: 'AccessDenied' });
    await expect(s3.send(new ListBucketsCommand({}))).rejects.toMatchObject({
      name: 'AccessDenied',
    });
  });

  gapTest('of the account is refused when its secret is wrong or missing', async () => {
    const { credentials, ...config } = clientConfig(cloud());
    const wrong = { ...credentials, secretAccessKey: 'wrong' };
    const s3 = new S3Client({ ...config, credentials: wrong });
    await expect(s3.send(new ListBucketsCommand({}))).rejects.toMatchObject({
      name: 'SignatureDoesNotMatch',
    });
    const unsigned = await fetch(cloud().endpoint, {
      method: 'POST',
      headers: {
        'x-amz-target': 'DynamoDB_20120810.ListTables',
        'content-type': 'application/x-amz-json-1.0',
      },
      body: '{}',
    });
    expect(unsigned.status).toBe(400);
    expect(await unsigned.json()).toMatchObject({
      __type: expect.stringMatching(/MissingAuthenticationToken/),
    });
  });

  gapTest('of a function is decided by its execution role', async () => {
    const iam = new IAMClient(clientConfig(cloud()));
    const trust = {
      Effect: 'Allow',
      Principal: { Service: 'lambda.amazonaws.com' },
      Action: 'sts:AssumeRole',
    };
    const { Role } = await iam.send(
      new CreateRoleCommand({
        RoleName: 'reader',
        AssumeRolePolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [trust] }),
      }),
    );
    const statement = {
      Effect: 'Allow',
      Action: 'dynamodb:GetItem',
      Resource: `arn:aws:dynamodb:${cloud().region}:${cloud().accountId}:table/items`,
    };
    await iam.send(
      new PutRolePolicyCommand({
        RoleName: 'reader',
        PolicyName: 'read',
        PolicyDocument: JSON.stringify({ Version: '2012-10-17', Statement: [statement] }),
      }),
    );
    const dynamodb = new DynamoDBClient(clientConfig(cloud()));
    await dynamodb.send(
      new CreateTableCommand({
        TableName: 'items',
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      }),
    );
    const Item = { id: { S: 'a' }, value: { N: '7' } };
    await dynamodb.send(new PutItemCommand({ TableName: 'items', Item }));
    await createFunction(
      cloud(),
      'reads',
      `const { DynamoDBClient, GetItemCommand, PutItemCommand } = require(process.env.SDK);
       const client = new DynamoDBClient({});
       exports.handler = async () => {
         const { Item } = await client.send(
           new GetItemCommand({ TableName: 'items', Key: { id: { S: 'a' } } }));
         const denied = await client.send(new PutItemCommand({ TableName: 'items', Item }))
           .then(() => 'written', (error) => error.name);
         return { value: Item.value.N, denied };
       };`,
      {
        Role: Role?.Arn,
        Environment: {
          Variables: { SDK: createRequire(import.meta.url).resolve('@aws-sdk/client-dynamodb') },
        },
      },
    );
    const { payload } = await invoke(cloud(), 'reads', {});
    expect(payload).toEqual({ value: '7', denied: 'AccessDeniedException' });
  });
});

describe('the policy of a bucket', () => {
  const Bucket = 'kept';
  const deny = (Action: string, Condition?: object) => ({
    Effect: 'Deny',
    Principal: '*',
    Action,
    Resource: [`arn:aws:s3:::${Bucket}`, `arn:aws:s3:::${Bucket}/*`],
    ...(Condition ? { Condition } : {}),
  });

  gapTest('binds the account itself, and takes this cloud for one with TLS', async () => {
    const s3 = new S3Client(clientConfig(cloud()));
    await s3.send(new CreateBucketCommand({ Bucket }));
    const VersioningConfiguration = { Status: 'Enabled' } as const;
    await s3.send(new PutBucketVersioningCommand({ Bucket, VersioningConfiguration }));
    const Statement = [
      deny('s3:*', { Bool: { 'aws:SecureTransport': 'false' } }),
      deny('s3:DeleteObjectVersion'),
    ];
    const Policy = JSON.stringify({ Version: '2012-10-17', Statement });
    await s3.send(new PutBucketPolicyCommand({ Bucket, Policy }));
    const credentials = await assumeNewRole(cloud(), 'owner', [
      { Effect: 'Allow', Action: 's3:*', Resource: '*' },
    ]);
    for (const client of [s3, new S3Client({ ...clientConfig(cloud()), credentials })]) {
      const { VersionId } = await client.send(
        new PutObjectCommand({ Bucket, Key: 'a', Body: 'x' }),
      );
      const version = { Key: 'a', VersionId };
      const denied = { name: 'AccessDenied' };
      await expect(
        client.send(new DeleteObjectCommand({ Bucket, ...version })),
      ).rejects.toMatchObject(denied);
      await expect(
        client.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects: [version] } })),
      ).rejects.toMatchObject(denied);
      await client.send(new DeleteObjectCommand({ Bucket, Key: 'a' }));
    }
  });
});

describe('a method with IAM authorisation', () => {
  const path = '/v1/models/flight-delay:predict';

  async function api(name: string) {
    const functionArn = await createFunction(cloud(), name, echo);
    return createApi(cloud(), {
      methods: [
        { path: 'v1/models/flight-delay:predict', function: functionArn, authorization: 'AWS_IAM' },
      ],
    });
  }
  const invokeOf = (id: string) => ({
    Effect: 'Allow',
    Action: 'execute-api:Invoke',
    Resource: `arn:aws:execute-api:${cloud().region}:${cloud().accountId}:${id}/prod/POST${path}`,
  });

  gapTest('answers a caller whose policy allows it, however the request is signed', async () => {
    const { id, url } = await api('signed');
    const caller = await assumeNewRole(cloud(), 'caller', [invokeOf(id)]);
    const stranger = await assumeNewRole(cloud(), 'stranger', []);
    const inHeaders = await post(await sign(cloud(), caller, url + path, { body: '{"a":1}' }));
    expect(inHeaders.status).toBe(200);
    expect(inHeaders.body.requestContext.identity).toMatchObject({
      accountId: cloud().accountId,
      userArn: `arn:aws:sts::${cloud().accountId}:assumed-role/caller/test`,
    });
    const withQuery = await sign(cloud(), caller, `${url}${path}?b=2&a=x%20y%2Fz`);
    expect((await post(withQuery)).status).toBe(200);
    const inQuery = await sign(cloud(), caller, url + path, { presign: true });
    expect((await post(inQuery)).status).toBe(200);
    expect((await post(await sign(cloud(), stranger, url + path))).status).toBe(403);
  });

  gapTest('refuses what is unsigned, was changed after signing or is not its own', async () => {
    const { id, url } = await api('refused');
    const caller = await assumeNewRole(cloud(), 'changed', [invokeOf(id)]);
    const unsigned = await post({ url: url + path, body: '{}' });
    expect(unsigned).toMatchObject({
      status: 403,
      body: { message: 'Missing Authentication Token' },
    });
    const bearer = await post({ url: url + path, headers: { authorization: 'Bearer x' } });
    expect(bearer.status).toBe(403);
    const request = await sign(cloud(), caller, url + path, { body: '{"a":1}' });
    expect((await post({ ...request, body: '{"a":2}' })).status).toBe(403);
    const token = { ...request.headers, 'x-amz-security-token': 'other' };
    expect((await post({ ...request, headers: token })).status).toBe(403);
    const stolen = { ...caller, secretAccessKey: 'guessed' };
    expect((await post(await sign(cloud(), stolen, url + path))).status).toBe(403);
  });
});
