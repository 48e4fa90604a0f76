// The Python of models: environments on this disk, and the wheels of the same packages for AWS.
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ModelPython, modelPython, testPython } from '../config/model-python.ts';
import { type ModelFolder, modelsFolder, readModelFolders } from '../config/models.ts';
import { CommandError, usageError } from './command-error.ts';
import { repositoryRoot, stockEnvironment } from './laptop-file.ts';

/**
 * The folder and definition of a model that is written here, deployed or not.
 * @throws CommandError listing the models there are.
 */
export async function modelFolderOf(name: string): Promise<ModelFolder> {
  const folders = await readModelFolders(process.env);
  const found = folders.find(({ definition }) => definition.name === name);
  if (found) return found;
  const names = folders.map(({ definition }) => definition.name).join(', ');
  throw usageError(
    `there is no model '${name}' in ${modelsFolder(process.env)}; there is ${names || 'none yet: write one with `slipway init`'}`,
  );
}

const isBuilt = ({ environment, requirements }: ModelPython): boolean => {
  const stamp = join(environment, '.slipway-stamp');
  return existsSync(stamp) && readFileSync(stamp, 'utf8') === requirements;
};

/** Runs bin/setup.mjs, whose progress goes to this terminal's standard error. */
function setUp(args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const setup = join(repositoryRoot, 'bin', 'setup.mjs');
    const child = spawn(process.execPath, [setup, ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) return resolve();
      reject(new CommandError(`the Python packages are not complete; what is wrong is told above`));
    });
  });
}

const build = async (needed: readonly ModelPython[]): Promise<void> => {
  const missing = needed.filter((python) => !isBuilt(python));
  if (missing.length > 0) await setUp(['python', ...missing.map(({ model }) => model)]);
};

/**
 * Builds the environments of those of the models that are trained by their own train.py and have none yet.
 * @throws CommandError
 */
export const buildEnvironments = (folders: readonly ModelFolder[]): Promise<void> =>
  build(folders.flatMap((folder) => modelPython(folder) ?? []));

/** Downloads the wheels that trainings on AWS bring along, where they are not here yet. @throws CommandError */
export const downloadWheels = (): Promise<void> => setUp(['wheels']);

/** The folder of the Python environment that a model is trained in, built if need be. @throws CommandError */
export async function environmentOf(folder: ModelFolder): Promise<string> {
  await buildEnvironments([folder]);
  return modelPython(folder)?.environment ?? stockEnvironment;
}

/** The one that its own tests run in. @throws CommandError */
export async function testEnvironmentOf(folder: ModelFolder): Promise<string> {
  const python = testPython(folder);
  await build([python]);
  return python.environment;
}
