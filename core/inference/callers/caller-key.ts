// Which API key, and with it which limit, a caller with a token counts on.
import { createHash } from 'node:crypto';
import * as z from 'zod';

/** The keys that an environment's API has for its callers. */
export const CallerKeys = z.strictObject({
  environment: z.string().min(1),
  /** How many keys callers without one of their own are spread over. */
  shared: z.int().min(1),
  /** Callers, as their tokens name them, who have a key each. */
  named: z.array(z.string().min(1)),
});
export type CallerKeys = z.infer<typeof CallerKeys>;

const digest = (text: string) => createHash('sha256').update(text).digest();

/** API Gateway takes no key shorter than 20 characters; environments of an account share its keys. */
export const sharedKey = (environment: string, index: number): string =>
  `slipway-${environment}-shared-${String(index).padStart(6, '0')}`;

export const namedKey = (environment: string, caller: string): string =>
  `slipway-${environment}-named-${digest(caller).toString('hex').slice(0, 16)}`;

/**
 * The key's value, which is no secret: API Gateway takes it from the authoriser alone.
 * A caller always has the same one, wherever the authoriser runs.
 */
export function keyOfCaller({ environment, shared, named }: CallerKeys, caller: string): string {
  if (named.includes(caller)) return namedKey(environment, caller);
  return sharedKey(environment, digest(caller).readUInt32BE(0) % shared);
}
