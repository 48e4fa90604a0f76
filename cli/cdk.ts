// Runs the project's own CDK CLI.
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CommandError } from './command-error.ts';
import { repositoryRoot } from './laptop-file.ts';

export interface CdkTools {
  /** Hears the telling lines. */
  note(line: string): void;
  /** Is given what ends the CLI before it is done, with whatever it started. */
  onStop?(end: () => void): void;
}

const cdkCli = join(repositoryRoot, 'node_modules', 'aws-cdk', 'bin', 'cdk');

function signalGroup({ pid }: ChildProcess, signal: NodeJS.Signals): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, signal);
  } catch {
    // It has ended.
  }
}

const tellingLine = /✅|❌|deploying\.\.\.|Bundling|Error/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are escape sequences
const colours = /\u001b\[[0-9;]*m/g;

/** Without a question, because nobody could answer it here. */
export const deployUnasked = ['deploy', '--require-approval', 'never'];
/** Direct: without a change set, which only a person would look at. */
export const deployDirectly = [...deployUnasked, '--method', 'direct'];

/**
 * Runs the CDK CLI; its telling lines are progress, all of them are told when it fails.
 * @throws CommandError with the end of what it said.
 */
export function cdk(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  { note, onStop }: CdkTools,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cdkCli, ...args, '--no-notices'], {
      cwd: repositoryRoot,
      env: { ...process.env, CI: 'true', CDK_DISABLE_CLI_TELEMETRY: 'true', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      // A group of its own, so that Ctrl-C ends it in order and whatever it started with it.
      detached: true,
    });
    onStop?.(() => signalGroup(child, 'SIGTERM'));
    const output: string[] = [];
    for (const stream of [child.stdout, child.stderr]) {
      createInterface(stream).on('line', (raw) => {
        const line = raw.replaceAll(colours, '');
        output.push(line);
        if (tellingLine.test(line)) note(`    ${line.trim()}`);
      });
    }
    child.on('error', reject);
    child.on('close', (code, signal) => {
      if (code === 0) return resolve();
      reject(
        new CommandError(
          `cdk ${args[0]} ended with ${signal ?? code}:\n${output.slice(-60).join('\n')}`,
        ),
      );
    });
  });
}
