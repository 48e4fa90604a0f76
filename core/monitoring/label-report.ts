import * as z from 'zod';
import { Sha256 } from '../datasets/snapshot.ts';
import { Example, maximumExamples } from '../datasets/validation-report.ts';

/** Something that is wrong with a file of labels or with some of its rows. */
export const LabelProblem = z.strictObject({
  /** What is wrong, and how to mend it. */
  message: z.string(),
  /** How many rows; 1 where it is the file. */
  count: z.int().positive(),
  examples: z.array(Example).max(maximumExamples),
});
export type LabelProblem = z.infer<typeof LabelProblem>;

/**
 * reports/<model>/labels/<SHA-256 of the file>.json: what became of a file of labels. Every row is either
 * invalid, or waits for its prediction (unmatched), or is joined with it (matched).
 */
export const LabelReport = z.strictObject({
  model: z.string(),
  key: z.string(),
  sha256: Sha256,
  receivedAt: z.string().describe('ISO 8601, UTC'),
  /** null where the file could not be read. */
  rows: z.int().nonnegative().nullable(),
  matched: z.int().nonnegative(),
  unmatched: z.int().nonnegative(),
  invalid: z.int().nonnegative(),
  problems: z.array(LabelProblem),
  /** Why labelled predictions do not become training rows; null where they do. */
  notTrainedOn: z.string().nullable(),
});
export type LabelReport = z.infer<typeof LabelReport>;

export const labelReportKey = (model: string, fileSha256: string): string =>
  `reports/${model}/labels/${fileSha256}.json`;

export const labelsPrefix = (model: string): string => `labels/${model}/`;

/** Where a person's file goes: named by its content too, so that no other file takes its place. */
export const labelFileKey = (model: string, name: string, fileSha256: string): string =>
  `${labelsPrefix(model)}files/${fileSha256.slice(0, 12)}-${name}`;

/** What the feedback API writes: lines of LabelRecord. Anything else under labels is a file of labels. */
export const isFeedback = (model: string, key: string): boolean =>
  /^dt=\d{4}-\d{2}-\d{2}\/[0-9a-f]{64}\.jsonl$/.test(key.slice(labelsPrefix(model).length));
