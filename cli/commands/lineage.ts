import type { Command } from 'commander';
import { predictionOrigin } from '../../core/inference/log/prediction-id.ts';
import type { ModelVersion } from '../../core/registry/records.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError, exitCodes, usageError } from '../command-error.ts';
import type { Deployment } from '../deployment.ts';
import { drawTree, lineageTree, neighbourhood, type Verified, verifyLineage } from '../lineage.ts';
import { findVersion } from '../operator.ts';
import { parityLine } from '../parity/describe-parity.ts';
import { styled } from '../terminal.ts';

interface Options extends Common {
  readonly verify: boolean;
}

/** A version's number, as 3 or v3, or the one that a prediction's id names. */
export function versionNamed(model: string, subject: string): number {
  const number = /^v?([1-9]\d{0,8})$/.exec(subject)?.[1];
  if (number !== undefined) return Number(number);
  const origin = predictionOrigin(subject);
  if (!origin) {
    throw usageError(
      `'${subject}' is neither a version of ${model}, as in 3, nor the id of a prediction`,
    );
  }
  if (origin.model === model) return origin.version;
  throw usageError(`that prediction is one of ${origin.model}, not of ${model}`);
}

async function versionOf(
  { ledger, registry }: Deployment,
  model: string,
  subject: string | undefined,
): Promise<ModelVersion> {
  const live = subject === undefined ? (await ledger.head(model)).live : undefined;
  const version = subject === undefined ? live : versionNamed(model, subject);
  if (version === undefined) {
    throw new CommandError(
      `no version of ${model} is live; name one (\`slipway models\` lists them)`,
    );
  }
  return findVersion(registry, model, version);
}

function verdict(verified: readonly Verified[] | undefined): string[] {
  if (!verified) return [];
  const wrong = verified.filter(({ equal }) => !equal);
  if (wrong.length === 0) return ['', styled('green', `All ${verified.length} hashes agree.`)];
  return [
    '',
    styled('red', `${wrong.length} of ${verified.length} hashes differ:`),
    ...wrong.map(
      ({ what, expected, actual }) => `  ${what}: ${actual ?? 'is missing'}, not ${expected}`,
    ),
  ];
}

export const lineageCommand = (): Command =>
  deployedCommand({
    usage: 'lineage <model> [subject]',
    description:
      'where a version comes from: data, code, hyperparameters, environment, metrics; subject is a version or the id of a prediction, by default the live version',
    examples: ['slipway lineage flight-delay', 'slipway lineage flight-delay 3 --verify'],
  })
    .option('--verify', 'compute every hash anew from the objects in S3', false)
    .action((name: string, subject: string | undefined, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const model = deployment.model(name).name;
        const version = await versionOf(deployment, model, subject);
        const around = await neighbourhood(deployment, version);
        const verified = options.verify
          ? await verifyLineage(deployment, version, terminal)
          : undefined;
        const parity = await deployment.parity.newest(model, version.version);
        const told = { ...version, edges: around, parity: parity ?? null };
        terminal.result({ ...told, ...(verified ? { verified } : {}) }, [
          ...drawTree(lineageTree(version, around)),
          parityLine(model, parity),
          ...verdict(verified),
        ]);
        return verified?.some(({ equal }) => !equal) ? exitCodes.failed : exitCodes.done;
      }),
    );
