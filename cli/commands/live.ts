import type { Command } from 'commander';
import { type Common, deployedCommand, run } from '../command.ts';
import { usageError } from '../command-error.ts';
import type { Deployment } from '../deployment.ts';

interface Options extends Common {
  readonly at?: string;
}

/** An instant as ISO 8601 in UTC; a time without a zone is UTC. @throws CommandError */
export function parseInstant(text: string): string {
  const zoned = /(Z|[+-]\d\d:?\d\d)$/i.test(text) || /^\d{4}-\d\d-\d\d$/.test(text);
  const date = new Date(zoned ? text : `${text}Z`);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(date.getTime())) return date.toISOString();
  throw usageError(`'${text}' is not a time; write it as in 2026-01-31T12:00:00Z`);
}

/** The version that is live, or was at an instant, with the ledger's entry that made it so. */
async function liveVersion({ ledger }: Deployment, model: string, at: string | undefined) {
  const version =
    at === undefined ? (await ledger.head(model)).live : await ledger.liveAt(model, at);
  const entries = await ledger.entries(model);
  const entry = entries.findLast(
    (candidate) =>
      candidate.state === 'live' &&
      candidate.version === version &&
      (at === undefined || Date.parse(candidate.at) <= Date.parse(at)),
  );
  return { model, at: at ?? null, version: version ?? null, entry: entry ?? null };
}

function describe({ model, at, version, entry }: Awaited<ReturnType<typeof liveVersion>>): string {
  if (version === null) {
    return at === null
      ? `No version of ${model} is live yet; train one with \`slipway drop\`.`
      : `No version of ${model} was live at ${at}.`;
  }
  const when = at === null ? 'is live' : `was live at ${at}`;
  const why = entry ? `, since ${entry.at} (${entry.reason}; by ${entry.by})` : '';
  return `Version ${version} of ${model} ${when}${why}.`;
}

export const liveCommand = (): Command =>
  deployedCommand({
    usage: 'live <model>',
    description: 'which version answers, or answered at a time',
    examples: ['slipway live flight-delay', 'slipway live flight-delay --at 2026-01-31T12:00:00Z'],
  })
    .option('--at <time>', 'a time in ISO 8601; UTC where it names no zone')
    .action((name: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const at = options.at === undefined ? undefined : parseInstant(options.at);
        const found = await liveVersion(deployment, deployment.model(name).name, at);
        terminal.result(found, [describe(found)]);
        return undefined;
      }),
    );
