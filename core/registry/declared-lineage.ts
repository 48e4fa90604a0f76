import * as z from 'zod';
import { Sha256 } from '../datasets/snapshot.ts';

/** An answer of lineage that the platform could not see for itself: what a person says, or nothing. */
export const UnsealedAnswer = z.discriminatedUnion('standing', [
  z.strictObject({ standing: z.literal('declared'), statement: z.string().min(1).max(1_000) }),
  z.strictObject({ standing: z.literal('unknown') }),
]);
export type UnsealedAnswer = z.infer<typeof UnsealedAnswer>;

/** The five answers, by the words that lineage has for them. */
export const lineageAnswers = [
  'data',
  'code',
  'hyperparameters',
  'environment',
  'metrics',
] as const;
export type LineageAnswer = (typeof lineageAnswers)[number];

const Statement = z.string().trim().min(1).max(1_000);

/** What the person who imports a file says of how it came to be; all of it may be left out. */
export const ImportStatements = z.strictObject({
  data: Statement.optional(),
  code: Statement.optional(),
  hyperparameters: Statement.optional(),
  environment: Statement.optional(),
  metrics: Statement.optional(),
});
export type ImportStatements = z.infer<typeof ImportStatements>;

/** The forms of file that the trainer's import takes; what each is, its README says. */
export const importEndings = [
  '.onnx',
  '.pkl',
  '.pickle',
  '.joblib',
  '.json',
  '.ubj',
  '.txt',
  '.cbm',
  '.pt',
  '.pth',
  '.pt2',
] as const;

/** What the endpoint holds in memory: a larger file would not come to serve. */
export const largestImportBytes = 1_000_000_000;

/** A file as it lies in the artifacts bucket, and what is said of it. */
export const ModelImport = z.strictObject({
  /** imports/<model>/<sha256>/<file> */
  key: z.string(),
  file: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, {
      error:
        'a file to import is named with letters, digits, dots, dashes and underscores, 100 at most; rename it',
    })
    .refine((name) => importEndings.some((ending) => name.toLowerCase().endsWith(ending)), {
      error: `a file to import ends in one of ${importEndings.join(', ')}`,
    }),
  sha256: Sha256,
  bytes: z.int().positive().max(largestImportBytes),
  /** Who imports it. */
  by: z.string().min(1),
  reason: Statement.optional(),
  trainedBy: Statement.optional(),
  declared: ImportStatements.prefault({}),
});
export type ModelImport = z.infer<typeof ModelImport>;
export const importPrefix = (model: string, sha256: string): string =>
  `imports/${model}/${sha256}/`;

/** An environment takes versions whose lineage is sealed, or imported ones as well. */
export const LineagePolicy = z.enum(['sealed', 'any'], {
  error: "the lineage of an environment is 'sealed' (no imported versions) or 'any'",
});
export type LineagePolicy = z.infer<typeof LineagePolicy>;

/** Why an environment does not take imported versions; undefined where it does. */
export const importRefusal = (environment: string, policy: LineagePolicy): string | undefined =>
  policy === 'any'
    ? undefined
    : `the environment '${environment}' takes no version whose lineage is only declared; train the model there, or set \`lineage: 'any'\` for it in config/environments.ts and deploy`;
