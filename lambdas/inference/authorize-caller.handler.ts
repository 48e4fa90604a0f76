import type { APIGatewayRequestAuthorizerEvent, APIGatewayTokenAuthorizerEvent } from 'aws-lambda';
import { InvalidTokenError, tokenVerifier } from '../../adapters/jose-tokens.ts';
import { log } from '../../adapters/structured-log.ts';
import {
  type AuthorizerPolicy,
  accessPolicy,
  scopesOf,
} from '../../core/inference/callers/access-policy.ts';
import { keyOfCaller } from '../../core/inference/callers/caller-key.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { AuthorizeCallerEnvironment } from './authorize-caller.contract.ts';

type AuthorizerEvent = APIGatewayRequestAuthorizerEvent | APIGatewayTokenAuthorizerEvent;

const environment = parseEnvironment(AuthorizeCallerEnvironment, process.env);
const verify = tokenVerifier({
  issuer: environment.JWT_ISSUER,
  audience: environment.JWT_AUDIENCE,
  jwksUri: environment.JWKS_URI,
});

function bearerToken(event: AuthorizerEvent): string {
  const header =
    event.type === 'TOKEN'
      ? event.authorizationToken
      : Object.entries(event.headers ?? {}).find(
          ([name]) => name.toLowerCase() === 'authorization',
        )?.[1];
  return /^Bearer +(\S+) *$/i.exec(header ?? '')?.[1] ?? '';
}

/** API Gateway answers 401 to exactly this message, and 500 to any other. */
const unauthorized = () => new Error('Unauthorized');

export async function handler(event: AuthorizerEvent): Promise<AuthorizerPolicy> {
  try {
    const claims = await verify(bearerToken(event));
    const principal = String(claims.sub ?? claims['client_id'] ?? 'unnamed');
    return {
      ...accessPolicy(principal, event.methodArn, scopesOf(claims)),
      usageIdentifierKey: keyOfCaller(environment.CALLER_KEYS, principal),
    };
  } catch (error) {
    if (!(error instanceof InvalidTokenError)) throw error;
    log('warn', 'caller refused', { reason: error.message });
    throw unauthorized();
  }
}
