import { createHash } from 'node:crypto';
import { existsSync, globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import type { ModelDefinition } from '../core/model/define-model.ts';
import { type Sources, sourceOf } from '../core/model/sources.ts';
import { deviceOf } from '../core/model/training-section.ts';
import { InvalidDocumentError } from '../core/parse-document.ts';
import type { ModelFolder } from './models.ts';
import { mergeRequirements } from './requirements.ts';

const root = join(import.meta.dirname, '..');
const platformRequirements = join(root, 'containers', 'trainers', 'python', 'requirements.in');

/** The Python of a model that is trained by its own train.py. */
export interface ModelPython {
  readonly model: string;
  /** Folder of the model's Python files. */
  readonly program: string;
  /** What pip is given, one requirement a line. */
  readonly requirements: string;
  /** Folder of its Python environment on this disk; models with the same packages share one. */
  readonly environment: string;
  /** Folder of the wheels of the same packages, for AWS. */
  readonly wheels: string;
  /** What of its folder a deployment brings along. */
  readonly sources: Sources;
}

/** As programAsset of lib takes them: the Python files beside train.py, and the packages. */
const sourcesIn = (folder: string): Sources =>
  Object.fromEntries(
    globSync(['*.py', 'requirements.txt'], { cwd: folder })
      .filter((file) => statSync(join(folder, file)).isFile())
      .sort()
      .map((file) => [file, sourceOf(readFileSync(join(folder, file)))]),
  );

function read(folder: string, file: string, model: string, fix: string): string {
  const path = join(folder, file);
  if (existsSync(path)) return readFileSync(path, 'utf8');
  throw new InvalidDocumentError(`the model ${model}`, [
    `training.trainer: 'python' needs ${path}, which is missing; ${fix}`,
  ]);
}

/** @param own text of the model's requirements.txt */
function pythonWith(own: string, { definition, folder }: ModelFolder): ModelPython {
  const { lines, problems } = mergeRequirements(readFileSync(platformRequirements, 'utf8'), own);
  if (problems.length > 0) {
    throw new InvalidDocumentError(join(folder, 'requirements.txt'), problems);
  }
  const requirements = `${lines.join('\n')}\n`;
  const id = createHash('sha256').update(requirements).digest('hex').slice(0, 16);
  return {
    model: definition.name,
    program: folder,
    requirements,
    environment: join(root, '.venv', 'models', id),
    wheels: join(root, '.slipway', 'wheels', 'models', id),
    sources: sourcesIn(folder),
  };
}

/**
 * undefined for a model that the platform's own trainer trains.
 * @throws InvalidDocumentError naming the file, the line and the fix.
 */
export function modelPython(model: ModelFolder): ModelPython | undefined {
  const { definition, folder } = model;
  const { name, training } = definition;
  if (training.trainer !== 'python') return undefined;
  const train = 'write `def train(data, hyperparameters):` there, which returns the fitted object';
  read(folder, 'train.py', name, train);
  const packages = 'name the packages that train.py imports, each pinned with ==; it may be empty';
  return pythonWith(read(folder, 'requirements.txt', name, packages), model);
}

/** What a model's own tests run in: of one that has no Python of its own, what the platform needs. */
export function testPython(model: ModelFolder): ModelPython {
  const file = join(model.folder, 'requirements.txt');
  return (
    modelPython(model) ?? pythonWith(existsSync(file) ? readFileSync(file, 'utf8') : '', model)
  );
}

/** Sets of wheels that the platform's own trainers need on AWS: GPUs are rare and theirs large. */
export const wheelSetsOf = (models: readonly ModelDefinition[]): string[] => [
  ...new Set(
    models.flatMap(({ training }) => {
      if (training.trainer === 'python') return [];
      const { trainer, instanceType } = training;
      return deviceOf(instanceType) === 'cuda' ? `${trainer}-gpu` : trainer;
    }),
  ),
];
