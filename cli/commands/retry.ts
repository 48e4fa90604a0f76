import type { Command } from 'commander';
import { isUserFailure } from '../../core/training/user-failure.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError, usageError } from '../command-error.ts';
import { type EnteredState, enteredStates, failureOf } from '../execution-history.ts';
import { reportRun } from '../report-run.ts';
import { askForRun, executionOf, findRun, person } from '../runs.ts';
import { warnOfUndeployed } from '../undeployed.ts';

interface Options extends Common {
  readonly from?: string;
  readonly wait: boolean;
}

/**
 * The state to enter: the named one as it was last entered, else the one that failed.
 * @throws CommandError where the run came to no such step.
 */
export function entrance(
  states: readonly EnteredState[],
  failed: EnteredState | undefined,
  from: string | undefined,
): EnteredState {
  const tasks = states.filter(({ type }) => type === 'Task');
  const entered = [...new Set(tasks.map(({ name }) => name))].join(', ');
  if (from !== undefined) {
    const named = tasks.findLast(({ name }) => name === from);
    if (named) return named;
    throw usageError(`the run did not come to a step '${from}'; it entered ${entered || 'none'}`);
  }
  // Choices, waits and ends are no entrances: what came before them is done again.
  const last = failed && tasks.at(-1);
  if (last) return last;
  if (tasks.length === 0) {
    throw usageError('the run came to no step; start a new one with `slipway train`');
  }
  throw usageError(`no step of the run failed; name one with --from: ${entered}`);
}

export const retryCommand = (): Command =>
  deployedCommand({
    usage: 'retry <run>',
    description: "start a new run at a failed run's failed step, with what that step had",
    examples: [
      'slipway retry flight-delay-20260101T000000-0a1b2c --wait',
      'slipway retry flight-delay-20260101T000000-0a1b2c --from BuildFeatures',
    ],
  })
    .option('--from <step>', 'an earlier step of the run, instead of the failed one')
    .option('--wait', 'follow the new run to its end', false)
    .action((runId: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const { model, reasons } = await findRun(deployment, runId);
        const deployed = deployment.model(model);
        const events = await executionOf(deployed, runId).history();
        const state = entrance(enteredStates(events), failureOf(events)?.state, options.from);
        const undeployed = await warnOfUndeployed(deployment, model, terminal);
        if (isUserFailure(reasons)) {
          terminal.note(
            `Run ${runId} failed in the model's own code; a retry runs the code that is deployed.`,
          );
        }
        terminal.note(`Going on at ${state.name}.`);
        const answer = await askForRun(deployed, {
          kind: 'retry',
          by: person(),
          from: state.name,
          input: JSON.parse(state.input),
        });
        if (answer.outcome === 'busy') {
          throw new CommandError(
            `run ${answer.runId} of ${model} is going on; retry when it has ended (\`slipway status ${model}\`)`,
          );
        }
        return reportRun(deployment, answer, { wait: options.wait, terminal, undeployed });
      }),
    );
