import { z } from 'zod';

/** An entry of a model's deployment ledger: append-only, numbered without a gap from 1. */
export const LedgerEntry = z.strictObject({
  model: z.string(),
  sequence: z.int().positive(),
  /** staged: loaded early by the endpoints · live: answers. */
  state: z.enum(['staged', 'live']),
  version: z.int().positive(),
  reason: z.string(),
  /** A person, or 'pipeline'. */
  by: z.string(),
  /** Of an entry by the pipeline. */
  runId: z.string().optional(),
  at: z.string().describe('ISO 8601, UTC'),
});
export type LedgerEntry = z.infer<typeof LedgerEntry>;

/** The ledger's head: all that routing reads. */
export const LedgerHead = z.strictObject({
  model: z.string(),
  sequence: z.int().nonnegative(),
  live: z.int().positive().optional(),
  staged: z.int().positive().optional(),
  /** Time of the newest entry. */
  updatedAt: z.string().optional(),
});
export type LedgerHead = z.infer<typeof LedgerHead>;
