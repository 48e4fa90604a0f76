import { z } from 'zod';

export const ServingSection = z.strictObject({
  target: z.enum(['lambda'], { error: "the serving target is 'lambda'" }),
  memoryMb: z.int().min(512).max(10_240).default(1_769),
  /** Equal rows are answered from memory, then from a Valkey that all environments share. */
  cache: z
    .strictObject({
      /** How long an answer is kept; a new version never gives an old one, however long that is. */
      ttlSeconds: z.int().min(1).max(604_800).default(3_600),
      /** Answers kept in the memory of each environment; about 250 bytes each. */
      maximumEntries: z.int().min(1).max(100_000).default(10_000),
    })
    .optional(),
});
export type ServingSection = z.infer<typeof ServingSection>;
