import { z } from 'zod';

/** An entry of a model's deployment ledger: append-only, numbered without a gap from 1. */
export const LedgerEntry = z.strictObject({
  model: z.string(),
  sequence: z.int().positive(),
  /** staged: loaded early by the endpoints · live: answers. */
  state: z.enum(['staged', 'live']),
  version: z.int().positive(),
  reason: z.string(),
  by: z.string(),
  at: z.string().describe('ISO 8601, UTC'),
});
export type LedgerEntry = z.infer<typeof LedgerEntry>;

/** The ledger's head: all that routing reads. */
export const LedgerHead = z.strictObject({
  model: z.string(),
  sequence: z.int().nonnegative(),
  live: z.int().positive().optional(),
  staged: z.int().positive().optional(),
});
export type LedgerHead = z.infer<typeof LedgerHead>;
