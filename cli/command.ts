import { Command } from 'commander';
import type { ExitCode } from './command-error.ts';
import { type Deployment, environmentNames, openDeployment } from './deployment.ts';
import { processTerminal, type Terminal } from './terminal.ts';

export interface Common {
  readonly env: string;
  readonly cloud?: string;
  readonly json: boolean;
}

export interface CommandPlan {
  /** Name with its arguments, as in `drop <model> <files...>`. */
  readonly usage: string;
  readonly description: string;
  /** Two, each a whole command line. */
  readonly examples: readonly [string, string];
}

const helpOf = ({ examples }: CommandPlan): string =>
  `\nExamples:\n${examples.map((example) => `  $ ${example}`).join('\n')}`;

/** A command with --json and its examples in --help. */
export function plainCommand(plan: CommandPlan): Command {
  const [name = '', ...rest] = plan.usage.split(' ');
  const command = new Command(name)
    .description(plan.description)
    .option('--json', 'write the result as JSON', false)
    .addHelpText('after', helpOf(plan));
  return rest.length > 0 ? command.arguments(rest.join(' ')) : command;
}

/** A command that talks to a deployed environment: --env and --cloud besides. */
export const deployedCommand = (plan: CommandPlan): Command =>
  plainCommand(plan)
    .option('--env <environment>', `one of ${environmentNames.join(', ')}`, 'local')
    .option('--cloud <port>', 'which laptop cloud, where several are running');

export interface Situation {
  readonly deployment: Deployment;
  readonly terminal: Terminal;
}

/** Opens the environment that the options name, runs the command and keeps its exit code. */
export async function run(
  options: Common,
  use: (situation: Situation) => Promise<ExitCode | undefined>,
): Promise<void> {
  const deployment = await openDeployment(options);
  const code = await use({ deployment, terminal: processTerminal(options.json) });
  process.exitCode = code ?? 0;
}
