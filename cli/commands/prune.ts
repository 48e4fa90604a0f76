import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { readModels } from '../../config/models.ts';
import { type Common, deployedCommand } from '../command.ts';
import { usageError } from '../command-error.ts';
import { findDeployment, pointAt } from '../deployment.ts';
import { destroyStack, type RemovedStack, refuseUsedStacks, removedStacks } from '../prune.ts';
import { processTerminal, styled, withProgress } from '../terminal.ts';
import { removeAllEndpoints } from '../version-endpoint.ts';

interface Options extends Common {
  readonly yes: boolean;
}

function described({ model, stack, destroyed }: RemovedStack): string[] {
  const parts = Object.entries(destroyed).map(
    ([type, count]) => `${count} ${type.replace('AWS::', '')}`,
  );
  return [
    `${styled('bold', stack)} ${model === undefined ? '' : `(the model ${model}) `}would be destroyed:`,
    `  ${parts.join(', ')}`,
  ];
}

const kept = (environment: string): string[] => [
  `Kept in Slipway-${environment}-State, and found again should the model come back: what was dropped, its`,
  'snapshots, features, predictions, labels and reports, every version with its artifacts, the registry and the ledger.',
];

/** @throws CommandError where there is nobody to ask. */
async function agreed(count: number): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw usageError(
      'there is no terminal to ask on; look at what would be destroyed, then add --yes',
    );
  }
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    return /^y(es)?$/i.test(await asking.question(`Destroy ${count} stack(s)? [y/N] `));
  } finally {
    asking.close();
  }
}

export const pruneCommand = (): Command =>
  deployedCommand({
    usage: 'prune',
    description:
      'destroy the stacks of models whose folder is gone, and of a network that no model asks for; data and versions stay',
    examples: ['slipway prune --env dev', 'slipway prune --env prod --yes --json'],
  })
    .option('--yes', 'do not ask', false)
    .action(async (options: Options) => {
      const { env } = options;
      pointAt(options);
      const terminal = processTerminal(options.json);
      const removed = await removedStacks(env, await readModels(process.env));
      if (removed.length === 0) {
        terminal.result({ destroyed: [] }, [
          `every deployed model of '${env}' has its folder; there is nothing to destroy`,
        ]);
        return;
      }
      for (const line of [...removed.flatMap(described), ...kept(env)]) terminal.note(line);
      refuseUsedStacks(env, removed);
      if (!options.yes && !(await agreed(removed.length))) {
        terminal.result({ destroyed: [] }, ['nothing was destroyed']);
        return;
      }
      const deployment = await findDeployment(options);
      for (const { model, stack } of removed) {
        await withProgress(terminal, `destroying ${stack}`, async () => {
          await destroyStack(stack);
          // No stack has them: a version's endpoint is made when it is trained.
          if (model !== undefined && deployment) await removeAllEndpoints(deployment, model);
        });
      }
      terminal.result(
        { destroyed: removed },
        removed.map(({ stack }) => `${stack} is destroyed`),
      );
    });
