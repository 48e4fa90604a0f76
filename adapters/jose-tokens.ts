import { createRemoteJWKSet, errors, type JWTPayload, jwtVerify } from 'jose';

/** A token that proves nothing: unsigned, expired, from or for somebody else. */
export class InvalidTokenError extends Error {
  override readonly name = 'InvalidTokenError';
}

export interface TokenOptions {
  readonly issuer: string;
  readonly audience: string;
  /** Where the issuer publishes its keys; they are kept and fetched again when a token names another. */
  readonly jwksUri: string;
}

/** Asymmetric only: a public key must never be taken for a shared secret. */
const algorithms = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'],
];

/** Failures that are the token's own; any other one is ours, such as keys that cannot be fetched. */
const tokenErrors = [
  errors.JWTExpired,
  errors.JWTClaimValidationFailed,
  errors.JWTInvalid,
  errors.JWSInvalid,
  errors.JWSSignatureVerificationFailed,
  errors.JOSEAlgNotAllowed,
  errors.JOSENotSupported,
  errors.JWKSNoMatchingKey,
  // The token names no key and several would do.
  errors.JWKSMultipleMatchingKeys,
];

/** Makes the check of JSON Web Tokens of one issuer. */
export function tokenVerifier({ issuer, audience, jwksUri }: TokenOptions) {
  const keys = createRemoteJWKSet(new URL(jwksUri));
  const expected = { issuer, audience, algorithms, requiredClaims: ['exp'], clockTolerance: 5 };

  /**
   * The claims of a token whose signature, issuer, audience and times are right.
   * @throws InvalidTokenError for a token that is not; jose's error when the keys cannot be had.
   */
  return async (token: string): Promise<JWTPayload> => {
    try {
      return (await jwtVerify(token, keys, expected)).payload;
    } catch (error) {
      if (!tokenErrors.some((kind) => error instanceof kind)) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new InvalidTokenError(`the token is not valid: ${reason}`, { cause: error });
    }
  };
}
