import type { Command } from 'commander';
import { type Common, deployedCommand, run } from '../command.ts';
import { reportRun } from '../report-run.ts';
import { askForRun, person } from '../runs.ts';

interface Options extends Common {
  readonly wait: boolean;
}

export const trainCommand = (): Command =>
  deployedCommand({
    usage: 'train <model>',
    description: 'start the pipeline on what has been dropped so far',
    examples: ['slipway train flight-delay --wait', 'slipway train flight-delay --env staging'],
  })
    .option('--wait', 'follow the run to its end', false)
    .action((model: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const request = { kind: 'person', by: person(), settled: true };
        const answer = await askForRun(deployment.model(model), request);
        return reportRun(deployment, answer, { wait: options.wait, terminal });
      }),
    );
