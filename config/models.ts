import { globSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { ModelDefinition } from '../core/model/define-model.ts';
import { InvalidDocumentError, parseDocument } from '../core/parse-document.ts';

const root = join(import.meta.dirname, '..');

/**
 * The definition in every <name>/model.ts of the folder that SLIPWAY_MODELS names (models/ when unset;
 * a relative path starts at this repository), by name. Such a file imports defineModel by its path from there.
 * @throws InvalidDocumentError naming file, path, value and fix.
 */
export async function readModels(
  variables: Readonly<Record<string, string | undefined>>,
): Promise<ModelDefinition[]> {
  const asked = variables['SLIPWAY_MODELS'];
  const folder = resolve(root, asked ?? 'models');
  const files = globSync('*/model.ts', { cwd: folder }).sort();
  if (asked !== undefined && files.length === 0) {
    throw new InvalidDocumentError('SLIPWAY_MODELS', [
      `there is no <name>/model.ts in ${folder}; name a folder of models, or unset it for models/`,
    ]);
  }
  return Promise.all(
    files.map(async (file) => {
      const { default: definition } = await import(join(folder, file));
      // A file without a default export would otherwise fail far from here.
      const what = `the default export of ${join(asked ?? 'models', file)}`;
      return parseDocument(ModelDefinition, definition, what);
    }),
  );
}
