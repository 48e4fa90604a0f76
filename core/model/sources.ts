import * as z from 'zod';
import { hashOf, sha256 } from '../canonical-json.ts';
import { type ModelDefinition, modelHash } from './define-model.ts';

/** What a deployed model was made of: file of its folder → the beginning of its hash. */
export const Sources = z.record(z.string(), z.string());
export type Sources = z.infer<typeof Sources>;

const short = (hash: string): string => hash.slice(0, 16);

/** A file's entry. */
export const sourceOf = (content: Uint8Array): string => short(sha256(content));

/** SSM keeps 4 KiB in a parameter. */
const mostBytes = 4_096;

/** @param files of the model's own Python; none of a model that the platform's trainer trains */
export function sourcesOf(definition: ModelDefinition, files: Sources = {}): Sources {
  // Not the text of model.ts: a comment is no other model.
  const ofDefinition = { 'model.ts': short(modelHash(definition)) };
  const whole = { ...ofDefinition, ...files };
  if (Buffer.byteLength(JSON.stringify(whole)) <= mostBytes) return whole;
  return { ...ofDefinition, 'its Python files': short(hashOf(files)) };
}

/** The files that are not the same, the definition first. */
export const changedSources = (deployed: Sources, here: Sources): string[] =>
  [...new Set([...Object.keys(here), ...Object.keys(deployed)])].filter(
    (file) => deployed[file] !== here[file],
  );
