import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { outputOf } from '../child-output.ts';
import { CommandError } from '../command-error.ts';
import { repositoryRoot } from '../laptop-file.ts';
import { styled } from '../terminal.ts';
import type { Scene } from './scene.ts';

const script = join(repositoryRoot, 'bin', 'slipway.ts');
const quoted = (argument: string): string =>
  /^[\w./:-]+$/.test(argument) ? argument : `"${argument}"`;

/**
 * Runs a command of `slipway` as a person at a terminal does, and shows it with what it says.
 * @throws CommandError where it ends with another exit code than is expected.
 */
export async function showCommand(
  { deployment, note }: Scene,
  args: readonly string[],
  expected = 0,
): Promise<string> {
  note(`  ${styled('cyan', `$ slipway ${args.map(quoted).join(' ')}`)}`);
  const cloud = ['--cloud', String(deployment.laptop?.port ?? '')];
  const child = spawn(process.execPath, [script, ...args, ...cloud], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { code, output, errors } = await outputOf(child);
  for (const line of output.trimEnd().split('\n')) note(`    ${line}`);
  if (code === expected) return output;
  throw new CommandError(
    `\`slipway ${args.join(' ')}\` ended with ${code}, not ${expected}: ${errors.trim()}`,
  );
}
