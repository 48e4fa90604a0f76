import type * as z from 'zod';
import { parseDocument } from '../../core/parse-document.ts';

/**
 * The environment variables of a function, checked once at its start.
 * @throws InvalidDocumentError naming each variable that is missing or wrong.
 */
export const parseEnvironment = <Schema extends z.ZodType>(
  schema: Schema,
  variables: Readonly<Record<string, string | undefined>>,
): z.infer<Schema> => parseDocument(schema, variables, "the function's environment");
