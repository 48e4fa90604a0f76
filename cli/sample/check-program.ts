// A train.py that does not compile would be told by the first training: that is minutes after a deployment.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import type { ModelFolder } from '../../config/models.ts';
import { CommandError } from '../command-error.ts';
import { repositoryRoot } from '../laptop-file.ts';
import { trainerCode } from './run-trainer.ts';

/** The environments of models are made of the same Python; this one is always there. */
const python = join(repositoryRoot, '.venv', 'local', 'bin', 'python');
const checker = join(repositoryRoot, 'cli', 'sample', 'check_program.py');

/**
 * Compiles the Python files of a model that is trained by its own train.py.
 * @throws CommandError with file and line, as a training says it
 */
export function checkProgram({ definition, folder }: ModelFolder): void {
  if (definition.training.trainer !== 'python') return;
  const { status, stdout, stderr, error } = spawnSync(python, ['-W', 'ignore', checker, folder], {
    encoding: 'utf8',
    env: {
      ...process.env,
      PYTHONPATH: join(trainerCode, 'slipway_server'),
      PYTHONDONTWRITEBYTECODE: '1',
    },
  });
  if (status === 0) return;
  const told = stdout?.trim() || stderr?.trim() || error?.message;
  throw new CommandError(`${definition.name} is not deployed: ${told}`);
}
