import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';

/** ElastiCache takes a token for this long; a connection that was made with it may live longer. */
const tokenValidSeconds = 900;

export interface ElasticacheLogin {
  /** The cache's name, not its address. */
  readonly cacheName: string;
  readonly user: string;
  readonly region: string;
  readonly credentials: ConstructorParameters<typeof SignatureV4>[0]['credentials'];
}

/**
 * A password for a user of an ElastiCache Serverless cache: the address of a signed request to connect,
 * without its scheme. It is made here; nobody is asked.
 */
export async function elasticacheToken(login: ElasticacheLogin, now = new Date()): Promise<string> {
  const signer = new SignatureV4({
    service: 'elasticache',
    region: login.region,
    credentials: login.credentials,
    sha256: Sha256,
  });
  const { query = {} } = await signer.presign(
    {
      method: 'GET',
      protocol: 'http:',
      hostname: login.cacheName,
      path: '/',
      headers: { host: login.cacheName },
      query: { Action: 'connect', User: login.user, ResourceType: 'ServerlessCache' },
    },
    { expiresIn: tokenValidSeconds, signingDate: now },
  );
  const parameters = Object.entries(query).map(
    ([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`,
  );
  return `${login.cacheName}/?${parameters.join('&')}`;
}
