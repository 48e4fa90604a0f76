import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { describe, expect, it } from 'vitest';
import { aModelDefinition } from '../builders/model-definition.ts';

const root = join(import.meta.dirname, '..', '..');
const defineModel = join(root, 'core', 'model', 'define-model.ts');

/** A folder of models, each with the source of its model.ts. */
function folderOf(models: Readonly<Record<string, (folder: string) => string>>): string {
  const folder = mkdtempSync(join(tmpdir(), 'models-'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const [name, source] of Object.entries(models)) {
    const place = join(folder, name);
    mkdirSync(place);
    writeFileSync(join(place, 'model.ts'), source(place));
  }
  return folder;
}

const modelFile = (name: string) => (folder: string) =>
  `
import { defineModel } from '${relative(folder, defineModel)}';
export default defineModel(${JSON.stringify(aModelDefinition({ name }))});
`;

/** As the application does it, in plain Node: names of the models, or the error. */
function readIn(folder: string | undefined): unknown {
  const script = `
    import { readModels } from '${join(root, 'config', 'models.ts')}';
    const told = await readModels({ SLIPWAY_MODELS: process.env.FOLDER }).then(
      (models) => models.map(({ name }) => name), ({ name, message }) => ({ name, message }));
    process.stdout.write(JSON.stringify(told));`;
  const env = { ...process.env, ...(folder !== undefined && { FOLDER: folder }) };
  return JSON.parse(
    execFileSync(process.execPath, ['--input-type=module', '-e', script], {
      cwd: tmpdir(),
      encoding: 'utf8',
      env,
    }),
  );
}

describe('the folder of models', () => {
  it('is models/ where nothing else is said', () => {
    expect(readIn(undefined)).toContain('flight-delay');
  });

  it('may be anywhere: its files import defineModel by a relative path', () => {
    const folder = folderOf({ parcels: modelFile('parcels'), churn: modelFile('churn') });
    expect(readIn(folder)).toEqual(['churn', 'parcels']);
    expect(readIn(relative(root, folder))).toEqual(['churn', 'parcels']);
  });

  it('names the file in which something is wrong', () => {
    const folder = folderOf({ empty: () => 'export const nothing = 1;' });
    expect(readIn(folder)).toEqual({
      name: 'InvalidDocumentError',
      message: expect.stringContaining(join(folder, 'empty', 'model.ts')),
    });
  });

  it('is refused where it has no model, because a deployment would take the API apart', () => {
    const folder = folderOf({});
    expect(readIn(folder)).toEqual({
      name: 'InvalidDocumentError',
      message: expect.stringContaining(`no <name>/model.ts in ${folder}`),
    });
  });
});
