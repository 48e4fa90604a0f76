import type * as z from 'zod';
import { InvalidDocumentError, parseDocument } from '../core/parse-document.ts';
import { ObjectNotFoundError } from './object-errors.ts';
import type { S3Objects } from './s3-objects.ts';

/** A document that explains and decides nothing: where it is gone or of an older form, it is not known. */
export async function knownDocument<Schema extends z.ZodType>(
  objects: S3Objects,
  key: string,
  schema: Schema,
): Promise<z.infer<Schema> | undefined> {
  try {
    return parseDocument(schema, await objects.getJson(key), key);
  } catch (error) {
    if (error instanceof ObjectNotFoundError || error instanceof InvalidDocumentError) return;
    throw error;
  }
}
