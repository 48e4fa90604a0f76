import type { Command } from 'commander';
import type { LedgerHead } from '../../core/delivery/ledger-entry.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { columns } from '../terminal.ts';

const standingOf = ({ live, retired, staged }: LedgerHead) => ({
  live: live ?? null,
  staged: staged ?? null,
  retired: retired ?? false,
});

/** What a version is at the moment, and what its gate said where that was no. */
function marks(
  { live, staged }: ReturnType<typeof standingOf>,
  { gate, version }: { readonly gate: string | null; readonly version: number },
): string {
  const state = version === live ? ' (live)' : version === staged ? ' (staged)' : '';
  return `${state}${gate === 'rejected' ? ' (refused by its gate)' : ''}`;
}

export const modelsCommand = (): Command =>
  deployedCommand({
    usage: 'models',
    description: 'the models with their versions, which of them is live and how good each is',
    examples: ['slipway models', 'slipway models --env prod --json'],
  }).action((options: Common) =>
    run(options, async ({ deployment, terminal }) => {
      const models = await Promise.all(
        deployment.models.map(async (model) => ({
          model,
          ...standingOf(await deployment.ledger.head(model)),
          versions: (await deployment.registry.listVersions(model)).map((version) => ({
            version: version.version,
            gate: version.gate?.outcome ?? null,
            registeredAt: version.registeredAt,
            metric: version.lineage.metrics.primary,
            value: version.lineage.metrics.value,
            baseline: version.lineage.metrics.baseline,
            onnxSha256: version.artifacts['model.onnx']?.sha256 ?? null,
          })),
        })),
      );
      const rows = models.flatMap(({ model, versions, ...standing }) =>
        versions.length === 0
          ? [[model, 'none yet']]
          : versions.map(({ version, gate, metric, value, baseline, registeredAt, onnxSha256 }) => [
              standing.retired ? `${model} (retired)` : model,
              `v${version}${marks(standing, { gate, version })}`,
              `${metric} ${value.toFixed(4)} (baseline ${baseline.toFixed(4)})`,
              registeredAt,
              (onnxSha256 ?? '').slice(0, 12),
            ]),
      );
      terminal.result(
        models,
        columns([['model', 'version', 'holdout', 'registered', 'model.onnx'], ...rows]),
      );
      return undefined;
    }),
  );
