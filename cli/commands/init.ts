import type { Command } from 'commander';
import { plainCommand } from '../command.ts';
import { usageError } from '../command-error.ts';
import { describeInit } from '../init/describe-init.ts';
import { initialise } from '../init/initialise.ts';
import { rememberData } from '../remembered-data.ts';
import { processTerminal } from '../terminal.ts';

interface Options {
  readonly data: string;
  readonly label: string;
  readonly key?: string;
  readonly time?: string;
  readonly notebook?: string;
  readonly columns?: string[];
  readonly python: boolean;
  readonly json: boolean;
}

const names = (text: string): string[] =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

export const initCommand = (): Command =>
  plainCommand({
    usage: 'init <name>',
    description:
      'write the folder of a new model from a data file and, if there is one, a notebook',
    examples: [
      'slipway init churn --data churn.csv --label churned --key customer_id --time signed_up_at',
      'slipway init churn --data churn.csv --label churned --notebook churn.ipynb',
    ],
  })
    .requiredOption('--data <file>', 'CSV, JSON Lines (each also .gz) or Parquet')
    .requiredOption('--label <column>', 'what is to be predicted')
    .option('--key <column>', 'what a row is about, as in customer_id')
    .option('--time <column>', 'when the row happened; the latest rows are held out')
    .option(
      '--notebook <file>',
      'whose data loading, features, model and fit are lifted into train.py',
    )
    .option('--columns <names>', 'only these of many columns, parted by commas', names)
    .option('--python', 'a train.py to write, instead of the stock XGBoost trainer', false)
    .action(async (name: string, options: Options) => {
      if (options.python && options.notebook !== undefined) {
        throw usageError(
          '--python writes an empty train.py and --notebook a filled one; leave one out',
        );
      }
      const terminal = processTerminal(options.json);
      const result = await initialise(name, options, terminal);
      rememberData(name, result.data);
      terminal.result(result, describeInit(result));
    });
