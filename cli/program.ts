import { Command, CommanderError } from 'commander';
import { CommandError, describeError, exitCodes } from './command-error.ts';
import { approveCommand } from './commands/approve.ts';
import { batchCommand } from './commands/batch.ts';
import { compareCommand } from './commands/compare.ts';
import { demoCommand } from './commands/demo.ts';
import { deployCommand } from './commands/deploy.ts';
import { doctorCommand } from './commands/doctor.ts';
import { downloadCommand } from './commands/download.ts';
import { driftCommand } from './commands/drift.ts';
import { dropCommand } from './commands/drop.ts';
import { importCommand } from './commands/import.ts';
import { initCommand } from './commands/init.ts';
import { labelsCommand } from './commands/labels.ts';
import { lineageCommand } from './commands/lineage.ts';
import { liveCommand } from './commands/live.ts';
import { localCommand } from './commands/local.ts';
import { logsCommand } from './commands/logs.ts';
import { modelsCommand } from './commands/models.ts';
import { openapiCommand } from './commands/openapi.ts';
import { parityCommand } from './commands/parity.ts';
import { predictCommand } from './commands/predict.ts';
import { proxyCommand } from './commands/proxy.ts';
import { pruneCommand } from './commands/prune.ts';
import { rejectCommand } from './commands/reject.ts';
import { retireCommand } from './commands/retire.ts';
import { retryCommand } from './commands/retry.ts';
import { rollbackCommand } from './commands/rollback.ts';
import { statusCommand } from './commands/status.ts';
import { streamCommand } from './commands/stream.ts';
import { testCommand } from './commands/test.ts';
import { tokenCommand } from './commands/token.ts';
import { trainCommand } from './commands/train.ts';
import { whyCommand } from './commands/why.ts';

const help = `
Exit codes:
  ${exitCodes.done}  done; with --wait: a version went live, or there was nothing new;
     files that went to quarantine meanwhile are listed, with --json under quarantine
  ${exitCodes.failed}  failed; with --wait: the run failed, or there was no data
  ${exitCodes.usage}  wrong command line, or there is no such model, run, version or environment
  ${exitCodes.rejected}  the model is retired, or takes no imports; with --wait: the new version was refused; approve: its gate had refused it; rollback: no version served healthily
  ${exitCodes.quarantined}  with --wait: files were invalid and went to quarantine, and the rest was nothing new
  ${exitCodes.awaitingApproval}  with --wait: the new version is staged and waits for approval
  ${exitCodes.different}  parity: the version does not predict what the notebook predicted

Environment variables:
  SLIPWAY_CLOUD   port of the laptop cloud to talk to, where several are running
  SLIPWAY_TOKEN   JWT for the API of an environment with its own identity provider
  DEBUG           any value: errors are shown with their stack

Examples:
  $ slipway local
  $ slipway drop flight-delay january.parquet february.parquet --wait
  $ slipway predict flight-delay --example`;

/** The command line with all its commands. */
export function program(): Command {
  const slipway = new Command('slipway')
    .description('From a notebook to production on AWS, and kept good there.')
    .addHelpText('after', help)

    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'slipway: ')),
    })
    .exitOverride();
  const commands = [
    localCommand,
    demoCommand,
    initCommand,
    deployCommand,
    dropCommand,
    trainCommand,
    importCommand,
    statusCommand,
    whyCommand,
    logsCommand,
    retryCommand,
    modelsCommand,
    liveCommand,
    approveCommand,
    rejectCommand,
    rollbackCommand,
    retireCommand,
    predictCommand,
    batchCommand,
    streamCommand,
    parityCommand,
    lineageCommand,
    compareCommand,
    downloadCommand,
    labelsCommand,
    driftCommand,
    testCommand,
    tokenCommand,
    proxyCommand,
    openapiCommand,
    doctorCommand,
    pruneCommand,
  ];
  for (const make of commands) slipway.addCommand(make().copyInheritedSettings(slipway));
  return slipway;
}

/** Runs one command line; sets the process's exit code and tells errors in one clear line. */
export async function main(argv: readonly string[]): Promise<void> {
  try {
    await program().parseAsync([...argv], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError) {
      // Commander has told it already; --help ends with 0.
      process.exitCode = error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
      return;
    }
    process.exitCode = error instanceof CommandError ? error.exitCode : exitCodes.failed;
    const debug = process.env['DEBUG'] && error instanceof Error ? error.stack : undefined;
    process.stderr.write(`slipway: ${debug ?? describeError(error)}\n`);
  }
}
