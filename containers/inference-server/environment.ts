import { availableParallelism } from 'node:os';
import * as z from 'zod';
import { ServedModelSettings } from '../../core/inference/server-settings.ts';
import { parseDocument } from '../../core/parse-document.ts';

function parsedJson(text: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(text);
  } catch {
    context.addIssue({ code: 'custom', message: 'send JSON: an array of models' });
    return z.NEVER;
  }
}

const hasEachOnce = (models: readonly ServedModelSettings[]): boolean =>
  new Set(models.map(({ name }) => name)).size === models.length;

/** What the server reads from its environment variables. */
const ServerEnvironment = z.object({
  /** JSON: the models that it answers for. The first one is meant where a protocol names none. */
  MODELS: z
    .string()
    .transform(parsedJson)
    .pipe(
      z
        .array(ServedModelSettings)
        .min(1, { error: 'name at least one model' })
        .refine(hasEachOnce, { error: 'name each model once' }),
    ),
  REGISTRY_TABLE: z.string().min(1),
  ARTIFACTS_BUCKET: z.string().min(1),
  PORT: z.coerce.number().int().min(0).max(65_535).default(8_080),
  /** Tasks are added before queued work takes longer than this. */
  QUEUE_LIMIT_MS: z.coerce.number().positive().default(100),
  /** Threads for models whose runs would hold up the one that speaks HTTP. */
  WORKER_THREADS: z.coerce
    .number()
    .int()
    .min(0)
    .max(64)
    .default(() => Math.max(0, availableParallelism() - 1)),
});
export type ServerEnvironment = z.infer<typeof ServerEnvironment>;

/** @throws InvalidDocumentError naming each variable that is missing or wrong. */
export const serverEnvironment = (
  variables: Readonly<Record<string, string | undefined>>,
): ServerEnvironment => parseDocument(ServerEnvironment, variables, "the server's environment");
