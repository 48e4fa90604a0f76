import { globSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { ModelDefinition } from '../core/model/define-model.ts';
import { InvalidDocumentError, parseDocument } from '../core/parse-document.ts';

const root = join(import.meta.dirname, '..');

type Variables = Readonly<Record<string, string | undefined>>;

/** A model's definition and the folder that it lies in, beside the model's Python. */
export interface ModelFolder {
  readonly definition: ModelDefinition;
  /** Absolute. */
  readonly folder: string;
}

/** Where the models are: the folder that SLIPWAY_MODELS names, or models/; a relative one starts at this repository. */
export const modelsFolder = (variables: Variables): string =>
  resolve(root, variables['SLIPWAY_MODELS'] ?? 'models');

/**
 * The definition in every <name>/model.ts of the folder of models, by name. Such a file imports defineModel
 * by its path from there.
 * @throws InvalidDocumentError naming file, path, value and fix.
 */
export async function readModelFolders(variables: Variables): Promise<ModelFolder[]> {
  const asked = variables['SLIPWAY_MODELS'];
  const folder = modelsFolder(variables);
  const files = globSync('*/model.ts', { cwd: folder }).sort();
  if (asked !== undefined && files.length === 0) {
    throw new InvalidDocumentError('SLIPWAY_MODELS', [
      `there is no <name>/model.ts in ${folder}; name a folder of models, or unset it for models/`,
    ]);
  }
  return Promise.all(
    files.map(async (file) => {
      const path = join(folder, file);
      const { default: definition } = await import(path);
      // A file without a default export would otherwise fail far from here.
      const what = `the default export of ${join(asked ?? 'models', file)}`;
      return {
        definition: parseDocument(ModelDefinition, definition, what),
        folder: dirname(path),
      };
    }),
  );
}

/** The definitions alone. @throws InvalidDocumentError naming file, path, value and fix. */
export const readModels = async (variables: Variables): Promise<ModelDefinition[]> =>
  (await readModelFolders(variables)).map(({ definition }) => definition);
