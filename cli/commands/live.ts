import type { Command } from 'commander';
import { routedBy, until } from '../../core/delivery/ledger.ts';
import type { ParityCheck } from '../../core/inference/parity/parity-check.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { usageError } from '../command-error.ts';
import type { Deployment } from '../deployment.ts';
import { because, deed } from '../describe-ledger.ts';
import { parityLine } from '../parity/describe-parity.ts';
import { columns } from '../terminal.ts';

interface Options extends Common {
  readonly at?: string;
  readonly history: boolean;
}

/** An instant as ISO 8601 in UTC; a time without a zone is UTC. @throws CommandError */
export function parseInstant(text: string): string {
  const zoned = /(Z|[+-]\d\d:?\d\d)$/i.test(text) || /^\d{4}-\d\d-\d\d$/.test(text);
  const date = new Date(zoned ? text : `${text}Z`);
  if (/^\d{4}-\d\d-\d\d/.test(text) && !Number.isNaN(date.getTime())) return date.toISOString();
  throw usageError(`'${text}' is not a time; write it as in 2026-01-31T12:00:00Z`);
}

/** The version that is live, or was at an instant, with the ledger's entry that made it so. */
export async function liveVersion(
  { ledger }: Pick<Deployment, 'ledger'>,
  model: string,
  at: string | undefined,
) {
  const all = await ledger.entries(model);
  const entries = at === undefined ? all : until(all, at);
  const entry = routedBy(entries);
  return {
    model,
    at: at ?? null,
    version: entry?.state === 'live' ? entry.version : null,
    entry: entry ?? null,
    /** The whole story until then. */
    entries,
  };
}
type Live = Awaited<ReturnType<typeof liveVersion>>;

export function describeLive({ model, at, entry }: Live): string {
  if (!entry) {
    return at === null
      ? `No version of ${model} is live yet; train one with \`slipway drop\`.`
      : `No version of ${model} was live at ${at}.`;
  }
  const when = at === null ? 'is' : `at ${at} was`;
  return entry.state === 'retired'
    ? `${model} ${when} retired, ${because(entry)}; version ${entry.version} was the last.`
    : `Version ${entry.version} of ${model} ${when} live, ${because(entry)}.`;
}

export const describeHistory = (live: Live): string[] => [
  ...columns([
    ['', 'time', 'what', 'by', 'why'],
    ...live.entries.map((entry) => [
      String(entry.sequence),
      entry.at,
      deed(entry),
      entry.by,
      entry.reason,
    ]),
  ]),
  describeLive(live),
];

const parityOf = ({ model, version }: Live, parity: ParityCheck | undefined): string[] =>
  version === null ? [] : [`Its ${parityLine(model, parity)}.`];

export const liveCommand = (): Command =>
  deployedCommand({
    usage: 'live <model>',
    description: 'which version answers, or answered at a time; --history tells the whole story',
    examples: [
      'slipway live flight-delay --history',
      'slipway live flight-delay --at 2026-01-31T12:00:00Z',
    ],
  })
    .option('--at <time>', 'a time in ISO 8601; UTC where it names no zone')
    .option(
      '--history',
      'what went live, waited, was set aside, rolled back, retired: by whom, why',
      false,
    )
    .action((name: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const at = options.at === undefined ? undefined : parseInstant(options.at);
        const model = deployment.model(name).name;
        const found = await liveVersion(deployment, model, at);
        const { entries, ...live } = found;
        const parity = await deployment.parity.newest(model, live.version);
        const shown = { ...live, parity: parity ?? null };
        terminal.result(options.history ? { ...shown, history: entries } : shown, [
          ...(options.history ? describeHistory(found) : [describeLive(found)]),
          ...parityOf(found, parity),
        ]);
        return undefined;
      }),
    );
