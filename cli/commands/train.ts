import type { Command } from 'commander';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError, exitCodes, usageError } from '../command-error.ts';
import { describeJoined } from '../joined-run.ts';
import { environmentOf, modelFolderOf } from '../model-python.ts';
import { dataOf, rememberData } from '../remembered-data.ts';
import { reportRun } from '../report-run.ts';
import { askForRun, person } from '../runs.ts';
import { type SampleResult, trainSample } from '../sample/train-sample.ts';
import { columns, processTerminal, seconds, styled } from '../terminal.ts';
import { warnOfUndeployed } from '../undeployed.ts';

interface Options extends Common {
  readonly wait: boolean;
  readonly sample?: string;
  readonly data?: string;
}

const shown = (value: number | undefined): string =>
  value === undefined ? '–' : String(Number(value.toPrecision(4)));

/** What was trained here, for people. */
function sampleLines({ model, rows, seconds: took, ...result }: SampleResult): string[] {
  const { export: exported } = result;
  const names = Object.keys(result.baseline) as (keyof typeof result.baseline)[];
  const verdict = exported.equal ? styled('green', 'equal') : styled('red', 'different');
  return [
    `${styled('bold', model)}: trained here on ${rows.train} of ${rows.file} rows, ${rows.holdout} held out, in ${seconds(took.total * 1_000)}`,
    ...columns([
      ['metric', model, 'baseline'],
      ...names.map((name) => [name, shown(result.metrics[name]), shown(result.baseline[name])]),
    ]),
    `export: ${exported.file}, ${(exported.bytes / 1e3).toFixed(0)} kB, ${verdict}: ${exported.text}`,
    `seconds: ${took.features} reading and checking rows, ${took.training} training and exporting`,
  ];
}

function rowsOf(sample: string | undefined): number | undefined {
  if (sample === undefined) return undefined;
  const rows = Number(sample);
  if (Number.isSafeInteger(rows) && rows > 0) return rows;
  throw usageError(
    `--sample is "${sample}"; give it a whole number of rows, as in --sample 1000, or leave it out and name --data for all rows`,
  );
}

async function trainHere(model: string, options: Options): Promise<void> {
  if (options.wait) {
    throw usageError('--wait follows a run of the pipeline; leave it out with --sample and --data');
  }
  const rows = rowsOf(options.sample);
  const folder = await modelFolderOf(model);
  const data = dataOf(model, options.data);
  const terminal = processTerminal(options.json);
  const environment = await environmentOf(folder);
  const result = await trainSample(folder, { environment, data, rows }, terminal);
  rememberData(model, data);
  terminal.result(result, sampleLines(result));
  if (!result.export.equal) {
    throw new CommandError(
      'what was exported does not answer as what was trained; it would be refused',
      exitCodes.rejected,
    );
  }
}

export const trainCommand = (): Command =>
  deployedCommand({
    usage: 'train <model>',
    description:
      'start the pipeline on what has been dropped so far; with --sample or --data train here instead, in seconds and without a cloud',
    examples: [
      'slipway train flight-delay --wait',
      'slipway train churn --sample 1000 --data customers.csv',
    ],
  })
    .option('--wait', 'follow the run to its end', false)
    .option('--sample <rows>', 'train here on so many rows of a file, chosen at random')
    .option('--data <file>', 'the file; without it the one of the last time')
    .action(async (model: string, options: Options) => {
      if (options.sample !== undefined || options.data !== undefined) {
        return trainHere(model, options);
      }
      await run(options, async ({ deployment, terminal }) => {
        const request = { kind: 'person', by: person(), settled: true };
        const deployed = deployment.model(model);
        const undeployed = await warnOfUndeployed(deployment, model, terminal);
        const answer = await askForRun(deployed, request);
        const joined = describeJoined(answer, (await deployment.runLock.read(model))?.lock);
        if (joined !== undefined) terminal.note(joined);
        return reportRun(deployment, answer, { wait: options.wait, terminal, undeployed });
      });
    });
