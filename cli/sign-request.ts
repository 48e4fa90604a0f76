import { Sha256 } from '@aws-crypto/sha256-js';
import { S3Client } from '@aws-sdk/client-s3';
import { SignatureV4 } from '@smithy/signature-v4';

export interface UnsignedRequest {
  readonly method: string;
  readonly url: URL;
  /** Lower-case names; those that a proxy on the way may change must not be here. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array;
}

/** The headers that let a request in, besides its own. */
export type Authorize = (request: UnsignedRequest) => Promise<Record<string, string>>;

function queryOf({ searchParams }: URL): Record<string, string | string[]> {
  const names = [...new Set(searchParams.keys())];
  return Object.fromEntries(
    names.map((name) => {
      const values = searchParams.getAll(name);
      return [name, values.length === 1 ? (values[0] ?? '') : values];
    }),
  );
}

/** Signs for API Gateway (SigV4) with the credentials and the region that the SDK finds. */
export function signedByIam(): Authorize {
  const { config } = new S3Client();
  const signer = new SignatureV4({
    service: 'execute-api',
    region: config.region,
    credentials: config.credentials,
    sha256: Sha256,
  });
  return async ({ method, url, headers, body }) => {
    const signed = await signer.sign({
      method,
      protocol: url.protocol,
      hostname: url.hostname,
      // As it is sent: the signer escapes it once more, which is what the service computes with.
      path: url.pathname,
      query: queryOf(url),
      headers: { ...headers, host: url.host },
      body,
    });
    const { host, ...rest } = signed.headers;
    return rest;
  };
}
