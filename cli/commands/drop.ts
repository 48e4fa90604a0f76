import type { Command } from 'commander';
import { type Common, deployedCommand, run } from '../command.ts';
import { exitCodes } from '../command-error.ts';
import { checkFiles, uploadFiles } from '../drop-files.ts';
import { reportRun } from '../report-run.ts';
import { askForRun, person } from '../runs.ts';
import { warnOfUndeployed } from '../undeployed.ts';

interface Options extends Common {
  readonly wait: boolean;
  readonly start: boolean;
}

export const dropCommand = (): Command =>
  deployedCommand({
    usage: 'drop <model> <files...>',
    description: 'upload data files and start the pipeline on them',
    examples: [
      'slipway drop flight-delay january.parquet february.csv --wait',
      'slipway drop flight-delay march.jsonl --no-start --env dev',
    ],
  })
    .option('--wait', 'follow the run to its end', false)
    .option('--no-start', 'only upload: a run starts when nothing was dropped for a while')
    .action((model: string, files: string[], options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const deployed = deployment.model(model);
        checkFiles(files);
        const undeployed = await warnOfUndeployed(deployment, model, terminal);
        const dropped = await uploadFiles(deployment.data, model, files, terminal);
        if (!options.start) {
          terminal.result({ dropped, undeployed: undeployed ?? null }, [
            `Dropped ${dropped.length} file(s); a run starts when nothing more has come for the quiet period.`,
          ]);
          return exitCodes.done;
        }
        const answer = await askForRun(deployed, {
          kind: 'drop',
          key: `landing/${model}/`,
          by: person(),
          settled: true,
        });
        return reportRun(deployment, answer, { wait: options.wait, terminal, undeployed });
      }),
    );
