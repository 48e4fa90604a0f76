import * as z from 'zod';
import { CallerKeys } from '../../core/inference/callers/caller-key.ts';

/** API Gateway's REQUEST authorizer for JWTs of any OpenID provider. */
export const AuthorizeCallerEnvironment = z.object({
  JWT_ISSUER: z.string(),
  JWT_AUDIENCE: z.string(),
  JWKS_URI: z.string(),
  /** JSON. */
  CALLER_KEYS: z
    .string()
    .transform((text): unknown => JSON.parse(text))
    .pipe(CallerKeys),
});
