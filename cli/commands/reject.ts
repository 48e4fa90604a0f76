import type { Command } from 'commander';
import { reject } from '../../core/delivery/operator-decisions.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { usageError } from '../command-error.ts';
import { because } from '../describe-ledger.ts';
import { type DeliveryRecords, findVersion, operator, versionNumber } from '../operator.ts';

interface Options extends Common {
  readonly reason: string;
}

/** Sets a staged version aside. @throws CommandError where it is not staged. */
export async function rejectVersion(
  { ledger, registry }: DeliveryRecords,
  model: string,
  version: number,
  reason: string,
) {
  await findVersion(registry, model, version);
  const decided = await ledger.decide(model, (found) =>
    reject(found, { ...operator(reason), version }),
  );
  const head = await ledger.head(model);
  if (decided.outcome === 'refused') {
    throw usageError(
      decided.why === 'live'
        ? `version ${version} of ${model} is live; \`slipway rollback ${model}\` takes it back`
        : `version ${version} of ${model} is not staged, so there is nothing to set aside; ${
            head.staged === undefined ? 'no version is' : `version ${head.staged} is`
          }`,
    );
  }
  return {
    model,
    version,
    changed: decided.outcome === 'appended',
    entry: decided.entry,
    live: head.live ?? null,
  };
}
type Rejected = Awaited<ReturnType<typeof rejectVersion>>;

export const describeRejection = ({ changed, entry, live, model, version }: Rejected): string[] => [
  `Version ${version} of ${model} is set aside${changed ? '' : ' already'}, ${because(entry)}.`,
  `${live === null ? 'No version is live' : `Version ${live} stays live`}. \`slipway approve ${model} ${version}\` takes it all the same.`,
];

export const rejectCommand = (): Command =>
  deployedCommand({
    usage: 'reject <model> <version>',
    description: 'set a staged version aside: it does not go live and no longer waits for approval',
    examples: [
      "slipway reject flight-delay 3 --reason 'trained on the wrong month'",
      "slipway reject flight-delay 3 --reason 'superseded' --env prod --json",
    ],
  })
    .requiredOption('--reason <text>', 'why; the ledger keeps it')
    .action((name: string, text: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const model = deployment.model(name).name;
        const version = versionNumber(text);
        const rejected = await rejectVersion(deployment, model, version, options.reason);
        terminal.result(rejected, describeRejection(rejected));
        return undefined;
      }),
    );
