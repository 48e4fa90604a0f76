// Sends events to a model's stream and gathers their results.
import { openKinesisReader } from '../adapters/kinesis-reader.ts';
import { kinesisResults } from '../adapters/kinesis-results.ts';
import { ResultEvent } from '../core/inference/streams/stream-events.ts';
import { CommandError } from './command-error.ts';
import type { EventRow } from './event-rows.ts';
import type { Terminal } from './terminal.ts';

const sentAtOnce = 500;
/** Of one part of the events, throttling included: a shard takes 1,000 a second. */
const sendingLimitMs = 60_000;
const tellEveryMs = 2_000;

function progress(terminal: Pick<Terminal, 'note'>, text: () => string): () => void {
  let toldAt = performance.now();
  return () => {
    if (performance.now() - toldAt < tellEveryMs) return;
    toldAt = performance.now();
    terminal.note(`  ${text()}`);
  };
}

/** @throws CommandError where the stream does not take them. */
export async function sendEvents(
  streamName: string,
  rows: readonly EventRow[],
  terminal: Pick<Terminal, 'note'>,
): Promise<void> {
  const { send } = kinesisResults({ streamName });
  let sent = 0;
  const tell = progress(terminal, () => `${sent} of ${rows.length} events sent`);
  for (; sent < rows.length; sent += sentAtOnce) {
    const part = rows.slice(sent, sent + sentAtOnce);
    const events = part.map(({ id, text }) => ({ key: id, eventId: id, text, sentTo: [] }));
    const [refused] = await send(events, Date.now() + sendingLimitMs);
    if (refused) {
      const [id, reason] = refused;
      const said = reason instanceof Error ? reason.message : String(reason);
      throw new CommandError(
        `the stream ${streamName} did not take the event ${id} (${said}); send the file again with the same --run, and nothing is answered twice`,
        1,
        { cause: reason },
      );
    }
    tell();
  }
}

export interface Gathered {
  /** By the id of the event; the text is what was published. */
  readonly results: ReadonlyMap<string, { readonly result: ResultEvent; readonly text: string }>;
  /** Results that came more than once, as they do when a publisher died at the wrong moment. */
  readonly repeated: number;
}

export interface Gathering {
  readonly read: () => Promise<string[]>;
  readonly ids: readonly string[];
  /** How long no result may come. */
  readonly patienceMs: number;
  readonly terminal: Pick<Terminal, 'note'>;
}

/** Opens the stream of results before anything is sent. */
export const openResults = (streamName: string, from: 'oldest' | 'now') =>
  openKinesisReader({ streamName, from });

/** @throws CommandError where results are missing and no more come. */
export async function gatherResults(gathering: Gathering): Promise<Gathered> {
  const { ids, patienceMs, read, terminal } = gathering;
  const wanted = new Set(ids);
  const results = new Map<string, { result: ResultEvent; text: string }>();
  let repeated = 0;
  let lastAt = performance.now();
  const tell = progress(terminal, () => `${results.size} of ${wanted.size} results came`);
  while (results.size < wanted.size) {
    for (const text of await read()) {
      const result = ResultEvent.safeParse(JSON.parse(text)).data;
      if (!result || !wanted.has(result.id)) continue;
      if (results.has(result.id)) repeated += 1;
      results.set(result.id, { result, text });
      lastAt = performance.now();
    }
    tell();
    if (performance.now() - lastAt < patienceMs) continue;
    throw new CommandError(
      `${wanted.size - results.size} of ${wanted.size} results did not come, and none came for ${patienceMs / 1_000} s; the log of the function and the dead-letter queue say why`,
    );
  }
  return { results, repeated };
}
