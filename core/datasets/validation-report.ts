import * as z from 'zod';
import { Sha256 } from './snapshot.ts';

/** What is checked of a file, from the file as a whole down to single values. */
export const Rule = z.enum([
  'file_name',
  'file_content',
  'row_form',
  'column_missing',
  'column_unknown',
  'column_repeated',
  'minimum_rows',
  'type',
  'not_null',
  'minimum',
  'maximum',
  'allowed',
  'label_classes',
  'holdout',
]);
export type Rule = z.infer<typeof Rule>;

/** At most this many rows are shown of what may be wrong in millions. */
export const maximumExamples = 20;

export const Example = z.strictObject({
  /** The first row is 1: the line after a CSV's header, the first line of JSON Lines. Blank lines of CSV do not count. */
  row: z.int().positive(),
  /** Cut to 120 characters; of a sensitive column it is not shown. */
  value: z.union([z.string(), z.number(), z.boolean(), z.null()]),
});
export type Example = z.infer<typeof Example>;

export const Finding = z.strictObject({
  rule: Rule,
  column: z.string().optional(),
  /** Rows that break the rule; 1 where the rule is about the file. */
  count: z.int().positive(),
  /** What is wrong, and how to mend it. */
  message: z.string(),
  examples: z.array(Example).max(maximumExamples),
});
export type Finding = z.infer<typeof Finding>;

export const FileReport = z.strictObject({
  key: z.string(),
  versionId: z.string(),
  sha256: Sha256,
  bytes: z.int().nonnegative(),
  /** null where the file could not be read as a table. */
  rows: z.int().nonnegative().nullable(),
  findings: z.array(Finding),
});
export type FileReport = z.infer<typeof FileReport>;

/** reports/<model>/validation/<snapshotId>.json. A file is invalid when there is a finding. */
export const ValidationReport = z.strictObject({
  model: z.string(),
  snapshotId: Sha256,
  manifestKey: z.string(),
  outcome: z.enum(['valid', 'invalid']),
  files: z.array(FileReport),
});
export type ValidationReport = z.infer<typeof ValidationReport>;

export const reportKey = (model: string, snapshotId: string): string =>
  `reports/${model}/validation/${snapshotId}.json`;
