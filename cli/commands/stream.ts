import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { ResultEvent } from '../../core/inference/streams/stream-events.ts';
import { type Common, deployedCommand, run } from '../command.ts';
import { CommandError, type ExitCode, exitCodes, usageError } from '../command-error.ts';
import type { DeployedModel } from '../deployment.ts';
import { checkFiles } from '../drop-files.ts';
import { type EventRow, eventRows } from '../event-rows.ts';
import { gatherResults, openResults, sendEvents } from '../follow-stream.ts';
import { liveSignature } from '../live-signature.ts';
import { columns, inStep, seconds, type Terminal } from '../terminal.ts';

interface Options extends Common {
  readonly run?: string;
  readonly wait: boolean;
  readonly out?: string;
}

/** The first results may wait for a function to start, and for what one that died has claimed. */
const patienceMs = 120_000;
const shown = 5;
const shownInJson = 20;

function runName(given: string | undefined): string {
  if (given === undefined) return randomUUID().slice(0, 8);
  if (/^[\w.-]{1,100}$/.test(given)) return given;
  throw usageError(
    `--run is part of each event's id: letters, digits, '.', '_' and '-', at most 100 (received '${given}')`,
  );
}

const errorIn = ({ data }: ResultEvent): string | undefined =>
  'error' in data ? data.error : undefined;

function describe(results: readonly ResultEvent[], tookMs: number, repeated: number): string[] {
  const refused = results.filter((result) => errorIn(result) !== undefined);
  const rate = Math.round((results.length / tookMs) * 1_000);
  const rows = results
    .slice(0, shown)
    .map((result) => [
      result.id,
      'prediction' in result.data ? String(result.data.prediction) : 'refused',
      'prediction' in result.data ? result.data.prediction_id : (errorIn(result) ?? ''),
    ]);
  return [
    ...columns([['event', 'prediction', ''], ...rows]),
    ...(results.length > shown ? [`… and ${results.length - shown} more`] : []),
    '',
    `${results.length} events: ${results.length - refused.length} predicted, ${refused.length} refused, in ${seconds(tookMs)} (${rate} a second)`,
    ...(repeated > 0 ? [`${repeated} results came twice, with the same bytes`] : []),
    ...refused.slice(0, shown).map((result) => `  ${result.id}: ${errorIn(result)}`),
  ];
}

interface Sending {
  readonly streams: NonNullable<DeployedModel['streams']>;
  readonly rows: readonly EventRow[];
  readonly run: string;
  readonly terminal: Terminal;
}

const send = ({ streams, rows, terminal }: Sending): Promise<void> =>
  inStep(terminal, `sending ${rows.length} events to ${streams.events}`, () =>
    sendEvents(streams.events, rows, terminal),
  );

async function sendAndFollow(sending: Sending, options: Options): Promise<ExitCode> {
  const { streams, rows, terminal } = sending;
  // What is sent a second time may have been answered long ago.
  const from = options.run === undefined ? 'now' : 'oldest';
  const { read } = await openResults(streams.results, from);
  const startedAt = performance.now();
  await send(sending);
  const ids = rows.map(({ id }) => id);
  const gathered = await inStep(terminal, `waiting for results in ${streams.results}`, () =>
    gatherResults({ read, ids, patienceMs, terminal }),
  );
  const tookMs = performance.now() - startedAt;
  const found = ids.flatMap((id) => gathered.results.get(id) ?? []);
  if (options.out !== undefined) {
    writeFileSync(options.out, found.map(({ text }) => `${text}\n`).join(''));
  }
  const results = found.map(({ result }) => result);
  const refused = results.filter((result) => errorIn(result) !== undefined);
  terminal.result(
    {
      run: sending.run,
      events: rows.length,
      predicted: results.length - refused.length,
      refused: refused.length,
      repeated: gathered.repeated,
      seconds: tookMs / 1_000,
      results: results.slice(0, shownInJson),
      refusals: refused.slice(0, shownInJson),
    },
    describe(results, tookMs, gathered.repeated),
  );
  return refused.length > 0 ? exitCodes.failed : exitCodes.done;
}

export const streamCommand = (): Command =>
  deployedCommand({
    usage: 'stream <model> <file>',
    description: "send a file's rows as events to a model's stream, and show what comes back",
    examples: [
      'slipway stream flight-delay january.csv',
      'slipway stream flight-delay january.parquet --run january --out results.jsonl --env dev',
    ],
  })
    .addHelpText(
      'after',
      '\nFor a model with serving.streaming. Events are called <run>-<row>; what was answered under a name is not\nanswered again, so that a file can be sent twice with the same --run and has one result a row.\nEnds with 1 where a row is refused; the others are answered.',
    )
    .option('--run <name>', 'what the ids of the events begin with (default: a new one)')
    .option('--no-wait', 'only send')
    .option('--out <file>', 'write the results, a CloudEvent a line')
    .action((model: string, file: string, options: Options) =>
      run(options, async ({ deployment, terminal }) => {
        const { streams } = deployment.model(model);
        if (!streams) {
          throw new CommandError(
            `${model} has no streams in '${deployment.environment}'; write streaming: {} under serving in its model.ts, and deploy it`,
          );
        }
        checkFiles([file]);
        const name = runName(options.run);
        const rows = await eventRows(file, await liveSignature(deployment, model), name);
        if (rows.length === 0) throw usageError(`${file} has no rows`);
        const sending = { streams, rows, run: name, terminal };
        if (options.wait) return sendAndFollow(sending, options);
        await send(sending);
        terminal.result({ run: name, events: rows.length }, [
          `Sent ${rows.length} events, ${name}-1 to ${name}-${rows.length}; results come in ${streams.results}.`,
        ]);
        return exitCodes.done;
      }),
    );
