import * as z from 'zod';

/** The cache of a model that asks for one, as its endpoint was deployed with it. */
export const PredictionCacheSettings = z.strictObject({
  ttlSeconds: z.int().positive(),
  maximumEntries: z.int().positive(),
  /** US dollars a millisecond of the endpoint costs: what a computed row's time is worth. */
  usdPerMs: z.number().nonnegative(),
  /** Without it, each environment keeps its own answers alone. */
  valkey: z
    .strictObject({
      host: z.string(),
      /** CloudFormation knows it as text. */
      port: z.coerce.number<string | number>(),
      /** The cache's name and user in ElastiCache, where it asks who comes. */
      iam: z.strictObject({ cacheName: z.string(), user: z.string() }).optional(),
    })
    .optional(),
});
export type PredictionCacheSettings = z.input<typeof PredictionCacheSettings>;
