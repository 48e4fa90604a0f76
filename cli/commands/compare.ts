import type { Command } from 'commander';
import { knownDocument } from '../../adapters/s3-known-document.ts';
import { FeatureSpec } from '../../core/features/feature-spec.ts';
import {
  type Difference,
  type KnownVersion,
  type VersionDifferences,
  versionDifferences,
} from '../../core/registry/version-differences.ts';
import { VersionMetrics } from '../../core/registry/version-metrics.ts';
import { Verdict } from '../../core/training/verdict.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { usageError } from '../command-error.ts';
import type { Deployment } from '../deployment.ts';
import { findVersion, versionNumber } from '../operator.ts';
import { columns, styled } from '../terminal.ts';

type Documents = Pick<Deployment, 'artifacts' | 'data' | 'parity' | 'registry'>;

async function knownVersion(
  { artifacts, data, parity, registry }: Documents,
  model: string,
  version: number,
): Promise<KnownVersion> {
  const record = await findVersion(registry, model, version);
  const { artifactsPrefix, gate } = record;
  const [metrics, spec, verdict, check] = await Promise.all([
    knownDocument(artifacts, `${artifactsPrefix}metrics.json`, VersionMetrics),
    knownDocument(artifacts, `${artifactsPrefix}features.json`, FeatureSpec),
    gate && knownDocument(data, gate.verdictKey, Verdict),
    parity.newest(model, version),
  ]);
  return { record, metrics, spec, verdict, parity: check };
}

/** Two versions of a model side by side. @throws CommandError where there is one of them only. */
export async function compareKnownVersions(
  deployment: Documents,
  model: string,
  first: number,
  second: number,
): Promise<VersionDifferences> {
  if (first === second) throw usageError(`that is version ${first} twice; name two versions`);
  const [one, other] = await Promise.all([
    knownVersion(deployment, model, first),
    knownVersion(deployment, model, second),
  ]);
  return versionDifferences(one, other);
}

function shown(value: Difference['first']): string {
  if (value === null) return 'unknown';
  if (typeof value === 'number') return String(Number(value.toPrecision(6)));
  return /^[0-9a-f]{64}$/.test(value) ? value.slice(0, 12) : value;
}

function change({ by, equal }: Difference): string {
  if (equal) return '';
  return by === undefined ? 'differs' : `${by > 0 ? '+' : ''}${Number(by.toPrecision(3))}`;
}

/** Facts that are equal are left out where there may be hundreds: of features and hyperparameters. */
const long = new Set(['features', 'hyperparameters']);

export function describeDifferences(differences: VersionDifferences): string[] {
  const { first, model, notes, second, sections } = differences;
  const rows = sections.flatMap(({ rows: all, title }) => {
    const told = long.has(title) ? all.filter(({ equal }) => !equal) : all;
    const equal = all.length - told.length;
    return [
      [title],
      ...told.map((row) => [`  ${row.name}`, shown(row.first), shown(row.second), change(row)]),
      ...(equal > 0 ? [[`  ${equal} equal`]] : []),
    ];
  });
  return [
    ...columns([[model, `v${first}`, `v${second}`, 'change'], ...rows]),
    ...(notes.length > 0 ? ['', ...notes.map((note) => styled('yellow', `Note: ${note}.`))] : []),
  ];
}

export const compareCommand = (): Command =>
  deployedCommand({
    usage: 'compare <model> <version> <other>',
    description:
      'two versions side by side: metrics, data, code, hyperparameters, features, latency, size, cost',
    examples: ['slipway compare flight-delay 1 2', 'slipway compare flight-delay 3 4 --json'],
  }).action((name: string, first: string, second: string, options: Common) =>
    run(options, async ({ deployment, terminal }) => {
      const model = deployment.model(name).name;
      const numbers = [versionNumber(first), versionNumber(second)] as const;
      const differences = await compareKnownVersions(deployment, model, ...numbers);
      terminal.result(differences, describeDifferences(differences));
      return undefined;
    }),
  );
