// A REST API written in a test, and the callers of its methods.
import { createHash, createHmac, type Hash, type Hmac } from 'node:crypto';
import {
  APIGatewayClient,
  CreateAuthorizerCommand,
  type CreateAuthorizerCommandInput,
  CreateDeploymentCommand,
  CreateResourceCommand,
  CreateRestApiCommand,
  PutGatewayResponseCommand,
  type PutGatewayResponseCommandInput,
  PutIntegrationCommand,
  PutMethodCommand,
} from '@aws-sdk/client-api-gateway';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { AssumeRoleCommand, STSClient } from '@aws-sdk/client-sts';
import { SignatureV4 } from '@smithy/signature-v4';
import type { Cloud } from '../../../local/cloud.ts';
import { clientConfig } from './harness.ts';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
}

export interface Method {
  /** From the root, without a leading slash: `v1/models/a:predict`, `open/{proxy+}`. */
  readonly path: string;
  readonly function: string;
  readonly authorization?: 'NONE' | 'AWS_IAM' | 'CUSTOM';
  readonly authorizer?: Partial<CreateAuthorizerCommandInput>;
  readonly timeoutMs?: number;
  readonly apiKeyRequired?: boolean;
}

export interface ApiOptions {
  readonly methods: readonly Method[];
  readonly responses?: readonly Omit<PutGatewayResponseCommandInput, 'restApiId'>[];
  readonly binaryMediaTypes?: string[];
  readonly apiKeySource?: 'HEADER' | 'AUTHORIZER';
}

const invocation = (region: string, functionArn: string): string =>
  `arn:aws:apigateway:${region}:lambda:path/2015-03-31/functions/${functionArn}/invocations`;

/**
 * Creates an API whose methods take any verb, and deploys it to the stage `prod`.
 * @returns its id and its address by path, which needs no Host header.
 */
export async function createApi(
  cloud: Cloud,
  { methods, responses = [], binaryMediaTypes = [], apiKeySource = 'HEADER' }: ApiOptions,
): Promise<{ id: string; url: string }> {
  const client = new APIGatewayClient(clientConfig(cloud));
  const { id: restApiId = '', rootResourceId = '' } = await client.send(
    new CreateRestApiCommand({ name: 'test', binaryMediaTypes, apiKeySource }),
  );
  const resources = new Map([['', rootResourceId]]);
  const resource = async (path: string): Promise<string> => {
    const known = resources.get(path);
    if (known !== undefined) return known;
    const cut = path.lastIndexOf('/');
    const parentId = await resource(path.slice(0, Math.max(cut, 0)));
    const pathPart = path.slice(cut + 1);
    const { id = '' } = await client.send(
      new CreateResourceCommand({ restApiId, parentId, pathPart }),
    );
    resources.set(path, id);
    return id;
  };
  const authorizer = async (settings: Method['authorizer']): Promise<string | undefined> => {
    if (!settings) return undefined;
    const authorizerUri = invocation(cloud.region, settings.authorizerUri ?? '');
    const name = `authorizer-${resources.size}`;
    const { id } = await client.send(
      new CreateAuthorizerCommand({ name, type: 'REQUEST', ...settings, restApiId, authorizerUri }),
    );
    return id;
  };
  for (const method of methods) {
    const target = { restApiId, resourceId: await resource(method.path), httpMethod: 'ANY' };
    await client.send(
      new PutMethodCommand({
        ...target,
        authorizationType: method.authorization ?? 'NONE',
        authorizerId: await authorizer(method.authorizer),
        apiKeyRequired: method.apiKeyRequired ?? false,
      }),
    );
    await client.send(
      new PutIntegrationCommand({
        ...target,
        type: 'AWS_PROXY',
        integrationHttpMethod: 'POST',
        uri: invocation(cloud.region, method.function),
        timeoutInMillis: method.timeoutMs,
      }),
    );
  }
  for (const response of responses) {
    await client.send(new PutGatewayResponseCommand({ restApiId, ...response }));
  }
  await client.send(new CreateDeploymentCommand({ restApiId, stageName: 'prod' }));
  return { id: restApiId, url: `${cloud.endpoint}/_aws/execute-api/${restApiId}/prod` };
}

/** A session of a new role that may do what the statements say. */
export async function assumeNewRole(
  cloud: Cloud,
  name: string,
  statements: readonly object[],
): Promise<Credentials> {
  const iam = new IAMClient(clientConfig(cloud));
  const Version = '2012-10-17';
  const root = { AWS: `arn:aws:iam::${cloud.accountId}:root` };
  const trust = [{ Effect: 'Allow', Principal: root, Action: 'sts:AssumeRole' }];
  await iam.send(
    new CreateRoleCommand({
      RoleName: name,
      AssumeRolePolicyDocument: JSON.stringify({ Version, Statement: trust }),
    }),
  );
  if (statements.length > 0) {
    const PolicyDocument = JSON.stringify({ Version, Statement: statements });
    await iam.send(
      new PutRolePolicyCommand({ RoleName: name, PolicyName: 'test', PolicyDocument }),
    );
  }
  const { Credentials: given } = await new STSClient(clientConfig(cloud)).send(
    new AssumeRoleCommand({
      RoleArn: `arn:aws:iam::${cloud.accountId}:role/${name}`,
      RoleSessionName: 'test',
    }),
  );
  if (!given?.AccessKeyId || !given.SecretAccessKey) throw new Error(`no session of ${name}`);
  return {
    accessKeyId: given.AccessKeyId,
    secretAccessKey: given.SecretAccessKey,
    ...(given.SessionToken ? { sessionToken: given.SessionToken } : {}),
  };
}

type Data = string | ArrayBuffer | ArrayBufferView;

/** The hash the signer wants, on Node's own. */
class Sha256 {
  readonly #key: Data | undefined;
  #hash: Hash | Hmac;

  constructor(key?: Data) {
    this.#key = key;
    this.#hash = this.#start();
  }

  #start(): Hash | Hmac {
    return this.#key === undefined
      ? createHash('sha256')
      : createHmac('sha256', this.#key as NodeJS.ArrayBufferView);
  }

  reset(): void {
    this.#hash = this.#start();
  }

  update(data: Data): void {
    this.#hash.update(data as NodeJS.ArrayBufferView);
  }

  digest(): Promise<Uint8Array> {
    return Promise.resolve(new Uint8Array(this.#hash.digest()));
  }
}

export interface SignedRequest {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
}

/** Signs a POST for `execute-api`, in its headers or, with `presign`, in its query. */
export async function sign(
  cloud: Cloud,
  credentials: Credentials,
  address: string,
  { body, presign = false }: { body?: string; presign?: boolean } = {},
): Promise<SignedRequest> {
  const url = new URL(address);
  const signer = new SignatureV4({
    service: 'execute-api',
    region: cloud.region,
    sha256: Sha256,
    credentials,
  });
  const request = {
    method: 'POST',
    protocol: 'http:',
    hostname: url.hostname,
    port: Number(url.port),
    path: url.pathname,
    query: Object.fromEntries(url.searchParams),
    headers: { host: url.host } as Record<string, string>,
    ...(body === undefined ? {} : { body }),
  };
  const signed = presign
    ? await signer.presign(request, { expiresIn: 60 })
    : await signer.sign(request);
  const query = new URLSearchParams(signed.query as Record<string, string>).toString();
  const { host: _fetchSetsIt, ...headers } = signed.headers;
  return { url: `${url.origin}${signed.path}${query ? `?${query}` : ''}`, headers, body };
}

/** Status, headers and parsed body of a POST. */
export async function post(request: {
  url: string;
  headers?: Record<string, string> | undefined;
  body?: RequestInit['body'] | undefined;
}) {
  const answer = await fetch(request.url, {
    method: 'POST',
    headers: request.headers ?? {},
    body: request.body ?? null,
  });
  const text = await answer.text();
  return { status: answer.status, headers: answer.headers, body: JSON.parse(text) };
}
