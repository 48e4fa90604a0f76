import * as z from 'zod';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { verdictPrefix } from '../../core/training/verdict.ts';

/** Of a verdict's document, what people read. */
const VerdictText = z.object({ text: z.array(z.string()) });

/** What the gate said of the newest candidate; its runs' names ascend with time. */
export async function lastVerdict(data: S3Objects, model: string): Promise<string[] | undefined> {
  const verdicts = await data.list(verdictPrefix(model));
  const key = verdicts.map((object) => object.key).findLast((name) => name.endsWith('.json'));
  if (key === undefined) return undefined;
  return parseDocument(VerdictText, await data.getJson(key), key).text;
}
