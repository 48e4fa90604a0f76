import type { Command } from 'commander';
import {
  type Candidate,
  type RollbackRefusal,
  rollBack,
  rollbackCandidates,
} from '../../core/delivery/operator-decisions.ts';
import type { ModelVersion } from '../../core/registry/records.ts';
import { openApi } from '../api-client.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError, exitCodes, usageError } from '../command-error.ts';
import { confirmAnswer, describeConfirmation } from '../confirm-answer.ts';
import { because } from '../describe-ledger.ts';
import { type DeliveryRecords, operator, versionNumber } from '../operator.ts';
import { ensureEndpoint } from '../version-endpoint.ts';

interface Options extends Common {
  readonly to?: string;
  readonly reason?: string;
}

const listed = (candidates: readonly Candidate[]): string[] =>
  candidates.map(({ reason, version }) => `  - version ${version}: ${reason}`);

function refusal(model: string, to: number | undefined, refused: RollbackRefusal): CommandError {
  switch (refused.why) {
    case 'nothing_live':
      return new CommandError(
        `no version of ${model} is live, so there is nothing to roll back from; \`slipway approve ${model} <version>\` makes one live`,
      );
    case 'live_changed':
      return new CommandError(
        `somebody else changed what is live of ${model} meanwhile (${
          refused.live === undefined ? 'it is retired' : `version ${refused.live} answers`
        }), so nothing was done; see \`slipway live ${model} --history\`, then roll back again if it is still needed`,
      );
    case 'never_live':
      return usageError(
        `version ${to} of ${model} was never live; \`slipway approve ${model} ${to}\` makes it live, \`slipway live ${model} --history\` shows which were`,
      );
    case 'none_healthy':
      return new CommandError(
        [
          `no earlier version of ${model} is on record as having served healthily, so nothing was done`,
          ...listed(refused.candidates),
          refused.candidates.length > 0
            ? `name one to go there all the same: \`slipway rollback ${model} --to ${refused.candidates[0]?.version}\``
            : `no other version was ever live; \`slipway retire ${model} --reason "…"\` takes the model out of service`,
        ].join('\n'),
        exitCodes.rejected,
      );
  }
}

/** What the gate refused is taken with a reason only. */
const approvalOf = ({ gate, model, version }: ModelVersion): string =>
  `slipway approve ${model} ${version}${gate?.outcome === 'rejected' ? ' --override --reason "…"' : ''}`;

/** One entry back. @throws CommandError where there is nowhere to go. */
export async function rollBackModel(
  { health, ledger, registry }: DeliveryRecords,
  model: string,
  to: number | undefined,
  reason: string,
) {
  // What is live now is what the person wants to be rid of: another version is not to be replaced.
  const head = await ledger.head(model);
  const from = head.live;
  const entries = await ledger.entries(model);
  const seen = new Map((await health.list(model)).map((one) => [one.version, one]));
  const decided = await ledger.decide(model, (found) =>
    rollBack(found, { ...operator(reason), from, to, health: seen }),
  );
  if (decided.outcome === 'refused') throw refusal(model, to, decided);
  const { entry } = decided;
  const candidates = rollbackCandidates({ head, entries }, seen);
  // The rollback is done: a hint that cannot be given must not look like its failure.
  const left =
    from === undefined ? undefined : await registry.getVersion(model, from).catch(() => undefined);
  const chosen = candidates.findIndex(({ version }) => version === entry.version);
  return {
    model,
    from: from ?? null,
    to: entry.version,
    changed: decided.outcome === 'appended',
    why: candidates[chosen]?.reason ?? null,
    /** Versions that were live later than the one chosen, and why none of them was. */
    passedOver: candidates.slice(0, Math.max(0, chosen)),
    /** The command that takes the version again that was left. */
    wayBack: left ? approvalOf(left) : null,
    entry,
  };
}
type RolledBack = Awaited<ReturnType<typeof rollBackModel>>;

export function describeRollback(done: RolledBack): string[] {
  const { changed, entry, from, model, passedOver, to, wayBack, why } = done;
  if (!changed) {
    return [`Version ${to} of ${model} is live already, ${because(entry)}; nothing was changed.`];
  }
  return [
    `${model}: ${from === null ? 'retired' : `version ${from}`} → version ${to}, ${because(entry)}.`,
    `Why version ${to}: ${why}.`,
    ...(passedOver.length > 0 ? ['Passed over:', ...listed(passedOver)] : []),
    ...(from === null || wayBack === null
      ? []
      : [`No later rollback chooses version ${from}; \`${wayBack}\` does.`]),
    `A later training with what is deployed may go live if it passes its gate: \`slipway status ${model}\` shows what is wanted, and delivery.approval: 'manual' in models/${model}/model.ts makes it wait for a person.`,
  ];
}

export const rollbackCommand = (): Command =>
  deployedCommand({
    usage: 'rollback <model>',
    description: 'back to the last version that served healthily, in every replica within 2 s',
    examples: [
      "slipway rollback flight-delay --reason 'answers are wrong since 02:00'",
      'slipway rollback flight-delay --to 2 --env prod',
    ],
  })
    .option('--to <version>', 'a version that was live before, whatever its record')
    .option('--reason <text>', 'why; the ledger keeps it')
    .action((name: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const model = deployment.model(name).name;
        const to = options.to === undefined ? undefined : versionNumber(options.to);
        if (to !== undefined) await ensureEndpoint(deployment, model, to, terminal);
        const done = await rollBackModel(deployment, model, to, options.reason ?? 'rolled back');
        await ensureEndpoint(deployment, model, done.to, terminal);
        const reply = { version: done.to };
        const told = { lines: describeRollback(done), terminal };
        const confirmed = await confirmAnswer(() => openApi(deployment), model, reply, told);
        terminal.result({ ...done, confirmed }, [
          ...told.lines,
          describeConfirmation(confirmed, reply),
        ]);
        return undefined;
      }),
    );
