// The trainer's process on this machine, as SageMaker starts it: the tree of /opt/ml in a folder of its own.
import { execFile, spawn } from 'node:child_process';
import { existsSync, globSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { hyperparametersOf } from '../../core/training/training-plan.ts';
import { CommandError } from '../command-error.ts';
import { repositoryRoot } from '../laptop-file.ts';

export const trainerCode = join(repositoryRoot, 'containers', 'trainers', 'src');

const pythonOf = (environment: string): string => join(environment, 'bin', 'python');

/** The model's Python files as the channel `program` has them. */
export async function writeProgram(
  environment: string,
  folder: string,
  channels: string,
): Promise<void> {
  const target = join(channels, 'program');
  await mkdir(target, { recursive: true });
  const files = globSync('*.py', { cwd: folder }).sort();
  const zip = ['-m', 'zipfile', '-c', join(target, 'program.zip'), ...files];
  await promisify(execFile)(pythonOf(environment), zip, { cwd: folder });
}

/** What SageMaker writes beside the channels. */
export async function writeConfiguration(base: string, definition: ModelDefinition): Promise<void> {
  const folder = join(base, 'input', 'config');
  await mkdir(folder, { recursive: true });
  const hyperparameters = {
    ...hyperparametersOf(definition),
    ...(definition.training.trainer === 'xgboost' && { device: 'cpu' }),
  };
  await writeFile(join(folder, 'hyperparameters.json'), JSON.stringify(hyperparameters));
}

/** A training's own code failed; the message begins with the user's file and line. */
export class TrainingFailedError extends CommandError {}

export interface TrainerTools {
  /** Hears each line that the trainer writes. */
  note(line: string): void;
  /** Ends the trainer. */
  readonly stopped: AbortSignal;
}

/**
 * Runs the trainer in a Python environment; each line that it writes is told.
 * @throws TrainingFailedError with what it left in its failure file
 */
export async function runTrainer(
  environment: string,
  base: string,
  { note, stopped }: TrainerTools,
): Promise<void> {
  const { PATH = '', HOME = '' } = process.env;
  // Whatever the training leaves in the temporary folder goes with the rest.
  const temporary = join(base, 'tmp');
  await mkdir(temporary, { recursive: true });
  // A training job knows nothing of this terminal's variables.
  const env = {
    ...{ PATH: `${join(environment, 'bin')}:${PATH}`, HOME, TMPDIR: temporary },
    SAGEMAKER_BASE_DIR: base,
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
  const child = spawn(pythonOf(environment), [trainerCode, 'train'], {
    cwd: base,
    env,
    stdio: ['ignore', 'pipe', 'pipe'],
    signal: stopped,
    killSignal: 'SIGKILL',
  });
  const errors: string[] = [];
  createInterface(child.stdout).on('line', (line) => note(`    ${line}`));
  createInterface(child.stderr).on('line', (line) => errors.push(line));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  if (code === 0) return;
  const file = join(base, 'output', 'failure');
  const failure = existsSync(file)
    ? readFileSync(file, 'utf8').trim()
    : errors.slice(-20).join('\n');
  throw new TrainingFailedError(failure || `the trainer ended with ${code} and said nothing`);
}
