import { globSync } from 'node:fs';
import { join } from 'node:path';
import { ModelDefinition } from '../core/model/define-model.ts';
import { parseDocument } from '../core/parse-document.ts';

/**
 * The definition in every models/<name>/model.ts, by name.
 * @throws InvalidDocumentError naming file, path, value and fix.
 */
export async function readModels(root: string): Promise<ModelDefinition[]> {
  const files = globSync('models/*/model.ts', { cwd: root }).sort();
  return Promise.all(
    files.map(async (file) => {
      const { default: definition } = await import(join(root, file));
      // A file without a default export would otherwise fail far from here.
      return parseDocument(ModelDefinition, definition, `the default export of ${file}`);
    }),
  );
}
