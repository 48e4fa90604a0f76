import type { Command } from 'commander';
import { type Common, deployedCommand, run } from '../command.ts';
import { columns } from '../terminal.ts';

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
          live: (await deployment.ledger.head(model)).live ?? null,
          versions: (await deployment.registry.listVersions(model)).map((version) => ({
            version: version.version,
            registeredAt: version.registeredAt,
            metric: version.lineage.metrics.primary,
            value: version.lineage.metrics.value,
            baseline: version.lineage.metrics.baseline,
            onnxSha256: version.artifacts['model.onnx']?.sha256 ?? null,
          })),
        })),
      );
      const rows = models.flatMap(({ model, live, versions }) =>
        versions.length === 0
          ? [[model, 'none yet']]
          : versions.map(({ version, metric, value, baseline, registeredAt, onnxSha256 }) => [
              model,
              `v${version}${version === live ? ' (live)' : ''}`,
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
