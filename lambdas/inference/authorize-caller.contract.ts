import { z } from 'zod';

/** API Gateway's REQUEST authorizer for JWTs of any OpenID provider. */
export const AuthorizeCallerEnvironment = z.object({
  JWT_ISSUER: z.string(),
  JWT_AUDIENCE: z.string(),
  JWKS_URI: z.string(),
});
