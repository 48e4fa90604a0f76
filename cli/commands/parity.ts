import { type Command, InvalidArgumentError } from 'commander';
import type { LeftOut } from '../../core/inference/parity/match-rows.ts';
import { ModelKind } from '../../core/inference/parity/parity-tolerance.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { exitCodes } from '../command-error.ts';
import { versionNumber } from '../operator.ts';
import { compareWithNotebook, type FoundParity } from '../parity/compare-with-notebook.ts';
import { describeParity } from '../parity/describe-parity.ts';

interface Options extends Common {
  readonly data?: string;
  readonly key?: string;
  readonly column?: string;
  readonly label?: string;
  readonly version?: string;
  readonly threshold: number;
  readonly kind?: ModelKind;
}

function numberOf(text: string): number {
  const number = Number(text);
  if (text.trim() !== '' && Number.isFinite(number)) return number;
  throw new InvalidArgumentError('give a number, as in 0.5');
}

function kindOf(text: string): ModelKind {
  const kind = ModelKind.safeParse(text);
  if (kind.success) return kind.data;
  throw new InvalidArgumentError(`it is one of ${ModelKind.options.join(', ')}`);
}

const keysAtMost = 100;

/** The data may have a million rows that the notebook did not predict. */
const told = ({ repeated, rowsWithoutKey, unmatched }: LeftOut) => ({
  ...{ repeated: repeated.length, unmatched: unmatched.length, rowsWithoutKey },
  repeatedKeys: repeated.slice(0, keysAtMost),
  unmatchedKeys: unmatched.slice(0, keysAtMost),
});

const documentOf = ({
  check,
  comparison,
  explanation,
  notebook,
  refused,
  wrongInput,
}: FoundParity) => ({
  ...check,
  explanation: explanation ?? null,
  wrongInput: wrongInput ?? null,
  metric: comparison.metric,
  worst: comparison.worst,
  refused,
  join: notebook.join
    ? { predictions: told(notebook.join.predictions), data: told(notebook.join.data) }
    : null,
});

const notes = `
The file has a row per prediction: a key, and what the notebook predicted (for a classification the
probability of class 1). The inputs are in the same file, or in the file that --data names; then
rows are joined by the key.
A prediction may be off by 1e-6 (trees), 1e-5 (linear), 1e-5 + 1e-3 of it (network); a quantised
model by 0.001 of its metric and 0.1 % of flipped labels, for which --label is needed. The verdict
rounds what the notebook has to 32 bits first, because that is what a graph answers with.
The live version answers through its endpoint; these requests are logged as no traffic. Another
version's artifacts answer on this machine.
It ends with ${exitCodes.different} where the version does not predict what the notebook predicted. The verdict is kept
with the version. A file that says nothing about it (classes for probabilities, less than half of the
rows joined or taken) is not recorded, and the command ends with ${exitCodes.usage}.`;

export const parityCommand = (): Command =>
  deployedCommand({
    usage: 'parity <model> <predictions>',
    description: "compare a version's predictions with those of its notebook, row by row",
    examples: [
      'slipway parity churn notebook_predictions.csv --data customers.csv --key customer_id',
      'slipway parity churn notebook_predictions.csv --version 4 --env prod --json',
    ],
  })
    .addHelpText('after', notes)
    .option('--data <file>', 'the rows that were predicted, where the predictions come alone')
    .option('--key <column>', 'what names a row in both files; by default the entity key')
    .option('--column <column>', "the notebook's predictions; by default found by its name")
    .option('--label <column>', 'what turned out, to compare the metric too')
    .option('--version <number>', 'by default the live version')
    .option('--threshold <number>', 'above it a row is positive', numberOf, 0.5)
    .option('--kind <kind>', 'of the model, where its version does not say it', kindOf)
    .action((name: string, predictions: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const model = deployment.model(name).name;
        const version = options.version === undefined ? undefined : versionNumber(options.version);
        const request = { ...options, predictions, version };
        const found = await compareWithNotebook(deployment, model, request, terminal);
        const { check, wrongInput } = found;
        if (wrongInput === undefined) await deployment.parity.put(check);
        terminal.result(documentOf(found), describeParity(found));
        if (wrongInput !== undefined) return exitCodes.usage;
        return check.verdict === 'equal' ? exitCodes.done : exitCodes.different;
      }),
    );
