import type { Command } from 'commander';
import type { LedgerHead } from '../../core/delivery/ledger-entry.ts';
import { type ModelVersion, sealedMetrics } from '../../core/registry/records.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { parityInShort } from '../parity/describe-parity.ts';
import { columns, sizeOf } from '../terminal.ts';

const standingOf = ({ live, retired, staged }: LedgerHead) => ({
  live: live ?? null,
  staged: staged ?? null,
  retired: retired ?? false,
});

/** What answers: a graph, or a container's fitted object. */
export function artifactOf({ artifacts }: Pick<ModelVersion, 'artifacts'>) {
  for (const file of ['model.onnx', 'model.tar.gz']) {
    const found = artifacts[file];
    if (found) return { file, ...found };
  }
  return null;
}

function listed(version: ModelVersion) {
  const metrics = sealedMetrics(version);
  return {
    version: version.version,
    origin: version.origin,
    gate: version.gate?.outcome ?? null,
    registeredAt: version.registeredAt,
    /** Of the holdout; null where the platform has not evaluated it. */
    metric: metrics?.primary ?? null,
    value: metrics?.value ?? null,
    baseline: metrics?.baseline ?? null,
    artifact: artifactOf(version),
    onnxSha256: version.artifacts['model.onnx']?.sha256 ?? null,
  };
}
type Listed = ReturnType<typeof listed>;

/** What a version is at the moment, that it was made elsewhere, and what its gate said where that was no. */
function marks(
  { live, staged }: ReturnType<typeof standingOf>,
  { gate, origin, version }: Pick<Listed, 'gate' | 'origin' | 'version'>,
): string {
  const state = version === live ? ' (live)' : version === staged ? ' (staged)' : '';
  const lineage = origin === 'imported' ? ' (imported, lineage declared)' : '';
  return `${state}${lineage}${gate === 'rejected' ? ' (refused by its gate)' : ''}`;
}

const holdoutText = ({ metric, value, baseline }: Listed): string =>
  value === null || baseline === null
    ? 'unknown: no holdout'
    : `${metric} ${value.toFixed(4)} (baseline ${baseline.toFixed(4)})`;

export const sizeText = ({ artifact }: Pick<Listed, 'artifact'>): string =>
  artifact === null ? 'unknown' : sizeOf(artifact.bytes);

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
          versions: await Promise.all(
            (await deployment.registry.listVersions(model)).map(async (version) => ({
              ...listed(version),
              parity: (await deployment.parity.newest(model, version.version)) ?? null,
            })),
          ),
        })),
      );
      const rows = models.flatMap(({ model, versions, ...standing }) =>
        versions.length === 0
          ? [[model, 'none yet']]
          : versions.map((version) => [
              standing.retired ? `${model} (retired)` : model,
              `v${version.version}${marks(standing, version)}`,
              holdoutText(version),
              version.registeredAt,
              sizeText(version),
              parityInShort(version.parity ?? undefined),
            ]),
      );
      terminal.result(
        models,
        columns([['model', 'version', 'holdout', 'registered', 'size', 'parity'], ...rows]),
      );
      return undefined;
    }),
  );
