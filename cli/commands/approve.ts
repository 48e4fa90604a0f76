import type { Command } from 'commander';
import { approve } from '../../core/delivery/operator-decisions.ts';
import { servedHealthily } from '../../core/delivery/version-health.ts';
import { importRefusal } from '../../core/registry/declared-lineage.ts';
import type { ModelVersion } from '../../core/registry/records.ts';
import { openApi } from '../api-client.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError, exitCodes, usageError } from '../command-error.ts';
import { confirmAnswer, describeConfirmation } from '../confirm-answer.ts';
import { because } from '../describe-ledger.ts';
import { type DeliveryRecords, findVersion, operator, versionNumber } from '../operator.ts';
import { ensureEndpoint } from '../version-endpoint.ts';

interface Options extends Common {
  readonly override: boolean;
  readonly reason?: string;
}

interface Approval extends Pick<Options, 'override' | 'reason'> {
  /** Why the environment takes no imported version; undefined where it does. */
  readonly importRefusal?: string | undefined;
}

async function refusedByGate(
  { registry }: DeliveryRecords,
  { gate, model, trainingId, version }: ModelVersion,
): Promise<CommandError> {
  const known = await registry.findTraining(model, trainingId);
  const reasons = known?.outcome === 'registered' ? (known.rejection ?? []) : [];
  return new CommandError(
    [
      `version ${version} of ${model} was refused by its gate (${gate?.verdictKey}), so nothing was changed`,
      ...reasons.map((reason) => `  - ${reason}`),
      `to take it all the same: \`slipway approve ${model} ${version} --override --reason "…"\``,
    ].join('\n'),
    exitCodes.rejected,
  );
}

/** Makes a version live. @throws CommandError where there is none, or its gate or the environment refuses it. */
export async function approveVersion(
  records: DeliveryRecords,
  model: string,
  version: number,
  { importRefusal: refusal, override, reason }: Approval,
) {
  if (override && !reason?.trim()) {
    throw usageError('--override needs --reason "…": the ledger keeps why a gate was passed over');
  }
  const found = await findVersion(records.registry, model, version);
  if (found.origin === 'imported' && refusal !== undefined) {
    throw new CommandError(
      `version ${version} of ${model} was imported, and nothing was changed: ${refusal}`,
      exitCodes.rejected,
    );
  }
  const [health, before] = await Promise.all([
    records.health.find(model, version),
    records.ledger.entries(model),
  ]);
  const decided = await records.ledger.decide(model, (ledger) =>
    approve(ledger, {
      ...operator(reason ?? 'approved'),
      version,
      gate: found.gate?.outcome ?? 'passed',
      override,
    }),
  );
  if (decided.outcome === 'refused') throw await refusedByGate(records, found);
  const served = servedHealthily(before, health, version);
  const wasLive = before.some((entry) => entry.state === 'live' && entry.version === version);
  return {
    model,
    version,
    changed: decided.outcome === 'appended',
    entry: decided.entry,
    before:
      decided.outcome === 'appended'
        ? { live: decided.before.live ?? null, retired: decided.before.retired ?? false }
        : null,
    /** Why it may not be a good choice; null where nothing is known against it. */
    caution: wasLive && !served.healthy ? served.reason : null,
  };
}
type Approved = Awaited<ReturnType<typeof approveVersion>>;

export function describeApproval({ before, caution, entry, model, version }: Approved): string[] {
  if (!before) {
    return [
      `Version ${version} of ${model} is live already, ${because(entry)}; nothing was changed.`,
    ];
  }
  const wayBack =
    before.live === null
      ? `slipway retire ${model} --reason "…"`
      : `slipway rollback ${model} --to ${before.live}`;
  const earlier = before.retired
    ? 'the model was retired'
    : before.live === null
      ? 'no version was live'
      : `version ${before.live} was live`;
  return [
    `Version ${version} of ${model} is live, ${because(entry)}.`,
    ...(entry.override ? ['Its gate had refused it: the ledger keeps that it was forced.'] : []),
    ...(caution === null ? [] : [`Careful: ${caution}.`]),
    `Before, ${earlier}. The way back: \`${wayBack}\``,
  ];
}

export const approveCommand = (): Command =>
  deployedCommand({
    usage: 'approve <model> <version>',
    description: 'make a version live: a staged one, or any other there is',
    examples: [
      'slipway approve flight-delay 3',
      "slipway approve flight-delay 4 --override --reason 'the holdout missed the new airport'",
    ],
  })
    .option('--override', 'take a version that its gate refused; needs --reason', false)
    .option('--reason <text>', 'why; the ledger keeps it')
    .action((name: string, text: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const { lineage, name: model } = deployment.model(name);
        const refusal = importRefusal(deployment.environment, lineage);
        const approval = { ...options, importRefusal: refusal };
        const version = versionNumber(text);
        await ensureEndpoint(deployment, model, version, terminal);
        const approved = await approveVersion(deployment, model, version, approval);
        // A run that ended meanwhile may have taken it for an old one.
        await ensureEndpoint(deployment, model, version, terminal);
        const reply = { version: approved.version };
        const told = { lines: describeApproval(approved), terminal };
        const confirmed = await confirmAnswer(() => openApi(deployment), model, reply, told);
        terminal.result({ ...approved, confirmed }, [
          ...told.lines,
          describeConfirmation(confirmed, reply),
        ]);
        return undefined;
      }),
    );
