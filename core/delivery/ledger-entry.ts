import * as z from 'zod';

/** An entry of a model's deployment ledger: append-only, numbered without a gap from 1. */
export const LedgerEntry = z.strictObject({
  model: z.string(),
  sequence: z.int().positive(),
  /**
   * staged: loaded early by the endpoints, or waiting for approval · live: answers · rejected: a staged
   * version that a person set aside · retired: no version of the model answers any more.
   */
  state: z.enum(['staged', 'live', 'rejected', 'retired']),
  /** retired: the version that answered until then, or was staged where none did. */
  version: z.int().positive(),
  reason: z.string(),
  /** A person, or 'pipeline'. */
  by: z.string(),
  /** Of an entry by the pipeline. */
  runId: z.string().optional(),
  /** Of a live entry: a person forced a version that its gate had refused. */
  override: z.literal(true).optional(),
  /** Of a live entry that is a rollback: the version that answered badly. */
  rolledBackFrom: z.int().positive().optional(),
  at: z.string().describe('ISO 8601, UTC'),
});
export type LedgerEntry = z.infer<typeof LedgerEntry>;

/** The ledger's head: all that routing reads. */
export const LedgerHead = z.strictObject({
  model: z.string(),
  sequence: z.int().nonnegative(),
  /** Absent before the first version went live, and while the model is retired. */
  live: z.int().positive().optional(),
  staged: z.int().positive().optional(),
  /** No version answers until one is approved or rolled back to. */
  retired: z.literal(true).optional(),
  /** Where the live version is there by a rollback: what must answer no more. */
  rolledBackFrom: z.int().positive().optional(),
  /** Time of the newest entry. */
  updatedAt: z.string().optional(),
});
export type LedgerHead = z.infer<typeof LedgerHead>;
