import type { Command } from 'commander';
import { retire } from '../../core/delivery/operator-decisions.ts';
import { openApi } from '../api-client.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError } from '../command-error.ts';
import { confirmAnswer, describeConfirmation } from '../confirm-answer.ts';
import { because } from '../describe-ledger.ts';
import { type DeliveryRecords, operator } from '../operator.ts';
import { removeAllEndpoints } from '../version-endpoint.ts';

interface Options extends Common {
  readonly reason: string;
}

/** Takes a model out of service. @throws CommandError where nothing was ever delivered. */
export async function retireModel({ ledger }: DeliveryRecords, model: string, reason: string) {
  const decided = await ledger.decide(model, (found) => retire(found, operator(reason)));
  if (decided.outcome === 'refused') {
    throw new CommandError(
      `no version of ${model} is live or staged, so there is nothing to retire; to be rid of the model, remove the folder models/${model} and run \`slipway prune\``,
    );
  }
  return {
    model,
    changed: decided.outcome === 'appended',
    lastVersion: decided.entry.version,
    entry: decided.entry,
  };
}
type Retired = Awaited<ReturnType<typeof retireModel>>;

export const describeRetirement = ({ changed, entry, lastVersion, model }: Retired): string[] => [
  `${model} is retired${changed ? '' : ' already'}, ${because(entry)}; version ${lastVersion} was the last.`,
  `No version answers: the API says 404, and that it is retired. No run starts; what is dropped stays in landing/${model}/.`,
  `The way back: \`slipway rollback ${model}\` or \`slipway approve ${model} ${lastVersion}\``,
  `For good: remove the folder models/${model} and run \`slipway prune\``,
];

export const retireCommand = (): Command =>
  deployedCommand({
    usage: 'retire <model>',
    description: 'no version answers any more and no run starts, until one is approved',
    examples: [
      "slipway retire flight-delay --reason 'replaced by arrival-delay'",
      "slipway retire flight-delay --reason 'the source is gone' --env prod --json",
    ],
  })
    .requiredOption('--reason <text>', 'why; the ledger keeps it')
    .action((name: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const model = deployment.model(name).name;
        const retired = await retireModel(deployment, model, options.reason);
        const reply = { retired: true } as const;
        const told = { lines: describeRetirement(retired), terminal };
        await removeAllEndpoints(deployment, model);
        const confirmed = await confirmAnswer(() => openApi(deployment), model, reply, told);
        terminal.result({ ...retired, confirmed }, [
          ...told.lines,
          describeConfirmation(confirmed, reply),
        ]);
        return undefined;
      }),
    );
