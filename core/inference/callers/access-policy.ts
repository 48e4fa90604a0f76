/** What a scope of a caller's token allows on the endpoints: on one model, or with * on all. */
interface Grant {
  readonly model: string;
  readonly action: 'predict' | 'feedback';
}

/** The part of an API's ARN before the method: `arn:aws:execute-api:<region>:<account>:<api>/<stage>`. */
function stageArn(methodArn: string): string {
  const [api, stage] = methodArn.split('/');
  return `${api}/${stage}`;
}

function grantsOf(scopes: readonly string[]): Grant[] {
  return scopes.flatMap((scope) => {
    const match = /^([a-z][a-z0-9-]*|\*):(predict|feedback)$/.exec(scope);
    return match?.[1] ? [{ model: match[1], action: match[2] as Grant['action'] }] : [];
  });
}

/**
 * predict includes, in both protocols, what the model takes and whether it is ready, and whether there is
 * a server at all, which clients ask first.
 */
const routesOf = ({ model, action }: Grant): string[] =>
  action === 'feedback'
    ? [`POST/v1/models/${model}:feedback`]
    : [
        `POST/v1/models/${model}:predict`,
        `GET/v1/models/${model}`,
        `GET/v2/models/${model}`,
        `GET/v2/models/${model}/*`,
        `POST/v2/models/${model}/*`,
        'GET/',
        'GET/v2',
        'GET/v2/health/*',
      ];

/**
 * The ARNs of every method that the scopes `<model>:predict`, `<model>:feedback` and `*:…` allow:
 * API Gateway keeps the answer for the token and uses it for its other requests too.
 */
export function allowedMethods(methodArn: string, scopes: readonly string[]): string[] {
  const stage = stageArn(methodArn);
  return [...new Set(grantsOf(scopes).flatMap(routesOf))].map((route) => `${stage}/${route}`);
}

/** Scopes of a token's claims: `scope` as in RFC 9068, or `scp` as other providers name it. */
export function scopesOf(claims: Readonly<Record<string, unknown>>): string[] {
  return [claims['scope'], claims['scp']].flatMap((claim) => {
    if (typeof claim === 'string') return claim.split(' ').filter(Boolean);
    return Array.isArray(claim) ? claim.filter((scope) => typeof scope === 'string') : [];
  });
}

export interface AuthorizerPolicy {
  readonly principalId: string;
  /** The value of the API key whose usage plan limits the caller. */
  readonly usageIdentifierKey?: string;
  readonly policyDocument: {
    readonly Version: '2012-10-17';
    readonly Statement: {
      readonly Action: 'execute-api:Invoke';
      readonly Effect: 'Allow' | 'Deny';
      readonly Resource: string[];
    }[];
  };
}

/** The reply of a Lambda authorizer: what is not allowed is denied. */
export function accessPolicy(
  principalId: string,
  methodArn: string,
  scopes: readonly string[],
): AuthorizerPolicy {
  const allowed = allowedMethods(methodArn, scopes);
  // A policy needs a statement, so that a token without a scope of ours is denied in so many words.
  const statement =
    allowed.length > 0
      ? { Effect: 'Allow' as const, Resource: allowed }
      : { Effect: 'Deny' as const, Resource: [`${stageArn(methodArn)}/*`] };
  return {
    principalId,
    policyDocument: {
      Version: '2012-10-17',
      Statement: [{ Action: 'execute-api:Invoke', ...statement }],
    },
  };
}
