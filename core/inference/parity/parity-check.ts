import * as z from 'zod';
import { Sha256 } from '../../datasets/snapshot.ts';
import { ModelKind } from './parity-tolerance.ts';

/**
 * What a comparison of a version with its notebook found. Kept with the version; one that was made stays
 * as it is, and the newest counts. Keys and values of rows are not kept: they may be about persons.
 */
export const ParityCheck = z.strictObject({
  model: z.string(),
  version: z.int().positive(),
  /** ISO 8601, UTC. */
  checkedAt: z.string(),
  by: z.string(),
  /** The live endpoint, or the version's artifacts on the machine of whoever asked. */
  answeredBy: z.enum(['endpoint', 'artifacts']),
  /** Of the file with the notebook's predictions. */
  predictions: z.strictObject({ name: z.string(), sha256: Sha256 }),
  kind: ModelKind,
  /** Of classification. */
  threshold: z.number().optional(),
  rows: z.strictObject({
    compared: z.int().nonnegative(),
    different: z.int().nonnegative(),
    /** That the version did not take. */
    refused: z.int().nonnegative(),
    /** Rows of the file that could not be compared: no key, a key twice, no inputs, no prediction. */
    leftOut: z.int().nonnegative(),
  }),
  maximumDifference: z.number().nonnegative(),
  maximumRelativeDifference: z.number().nonnegative(),
  /** null of a regression. */
  flips: z.int().nonnegative().nullable(),
  verdict: z.enum(['equal', 'different']),
  reasons: z.array(z.string()),
});
export type ParityCheck = z.infer<typeof ParityCheck>;
