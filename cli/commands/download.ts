import { existsSync } from 'node:fs';
import { chmod, mkdir, mkdtemp, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { Command } from 'commander';
import { ObjectNotFoundError } from '../../adapters/object-errors.ts';
import type { S3Objects } from '../../adapters/s3-objects.ts';
import type { ModelVersion } from '../../core/registry/records.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError, usageError } from '../command-error.ts';
import type { Deployment } from '../deployment.ts';
import { neighbourhood } from '../lineage.ts';
import { findVersion, versionNumber } from '../operator.ts';
import { type Terminal, withProgress } from '../terminal.ts';

interface Options extends Common {
  readonly to?: string;
}

/** @throws CommandError unless nothing is at the path, or an empty folder. */
async function checkVacant(folder: string): Promise<void> {
  if (!existsSync(folder)) return;
  const entries = await readdir(folder).catch(() => ['a file']);
  if (entries.length > 0) {
    throw usageError(`there is something at ${folder}; name another folder with --to`);
  }
}

/** One artifact, held to the hash that it was registered with. @throws CommandError */
async function fetchArtifact(
  artifacts: S3Objects,
  { artifactsPrefix, model, version }: ModelVersion,
  name: string,
  expected: string,
  folder: string,
): Promise<number> {
  const key = `${artifactsPrefix}${name}`;
  const object = `s3://${artifacts.bucket}/${key}`;
  const again = `nothing was written; \`slipway lineage ${model} ${version} --verify\` checks them all, and the bucket keeps earlier versions of its objects`;
  if (basename(name) !== name || name === 'lineage.json') {
    throw new CommandError(`${object} has no name that a file may have here; nothing was written`);
  }
  try {
    const { bytes, sha256 } = await artifacts.download(key, undefined, join(folder, name));
    if (sha256 === expected) return bytes;
    throw new CommandError(
      `${object} has SHA-256 ${sha256} and was registered with ${expected}; ${again}`,
    );
  } catch (error) {
    if (error instanceof ObjectNotFoundError) {
      throw new CommandError(`${object} is gone; ${again}`);
    }
    throw error;
  }
}

/**
 * Writes every artifact of a version and its lineage into a folder, all or nothing: it appears under its
 * name when every hash is the registered one.
 * @throws CommandError naming the object that differs.
 */
export async function downloadVersion(
  deployment: Pick<Deployment, 'artifacts' | 'registry'>,
  version: ModelVersion,
  to: string,
  terminal: Pick<Terminal, 'note'>,
) {
  const folder = resolve(to);
  await checkVacant(folder);
  await mkdir(dirname(folder), { recursive: true });
  // Beside its place, so that it gets there in one step.
  const partial = await mkdtemp(join(dirname(folder), `.${basename(folder)}-partial-`));
  try {
    const files: { name: string; bytes: number; sha256: string }[] = [];
    for (const [name, { sha256 }] of Object.entries(version.artifacts)) {
      const bytes = await withProgress(terminal, `downloading ${name}`, () =>
        fetchArtifact(deployment.artifacts, version, name, sha256, partial),
      );
      files.push({ name, bytes, sha256 });
    }
    const lineage = { ...version, edges: await neighbourhood(deployment, version) };
    await writeFile(join(partial, 'lineage.json'), `${JSON.stringify(lineage, null, 2)}\n`);
    // A temporary folder is for its maker's eyes alone.
    await chmod(partial, 0o755);
    await rename(partial, folder);
    return { model: version.model, version: version.version, folder, files };
  } catch (error) {
    await rm(partial, { recursive: true, force: true });
    throw error;
  }
}

export const downloadCommand = (): Command =>
  deployedCommand({
    usage: 'download <model> <version>',
    description: 'every artifact of a version, held to its registered hash, and its lineage',
    examples: [
      'slipway download flight-delay 3',
      'slipway download flight-delay 3 --to /tmp/flight-delay --env prod',
    ],
  })
    .option('--to <folder>', 'a folder that does not exist yet; by default <model>-v<version>')
    .action((name: string, text: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const model = deployment.model(name).name;
        const version = await findVersion(deployment.registry, model, versionNumber(text));
        const to = options.to ?? `${model}-v${version.version}`;
        const downloaded = await downloadVersion(deployment, version, to, terminal);
        terminal.result(downloaded, [
          ...downloaded.files.map(
            ({ bytes, name: file, sha256 }) => `  ${file.padEnd(18)} ${sha256}  ${bytes} bytes`,
          ),
          '  lineage.json',
          `Version ${version.version} of ${model} is in ${downloaded.folder}; every hash is the registered one.`,
        ]);
        return undefined;
      }),
    );
