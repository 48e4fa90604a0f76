import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ModelDefinition } from '../../core/model/define-model.ts';
import { parseDocument } from '../../core/parse-document.ts';

/**
 * The model that a function was deployed for: model.json beside the function's bundle.
 * @throws InvalidDocumentError when the file is not a model's definition.
 */
export const loadModelDefinition = (taskRoot: string): ModelDefinition =>
  parseDocument(
    ModelDefinition,
    JSON.parse(readFileSync(join(taskRoot, 'model.json'), 'utf8')),
    'model.json of this function',
  );
