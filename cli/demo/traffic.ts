import * as z from 'zod';
import { parseDocument } from '../../core/parse-document.ts';
import type { ApiClient, ApiReply } from '../api-client.ts';
import { CommandError } from '../command-error.ts';
import type { Flight } from './flights.ts';

const PredictReply = z.object({
  predictions: z.array(z.number()),
  prediction_ids: z.array(z.string()),
  model_version: z.string(),
});

/** What came of one request. */
interface Answered {
  readonly rows: number;
  readonly endToEndMs: number;
  /** Of the Server-Timing header: from the handler's beginning to its reply. */
  readonly handlerMs: number;
  readonly version: string;
  readonly sentAt: number;
}

export interface Traffic {
  readonly requests: readonly Answered[];
  /** Prediction id → what became known of the flight. */
  readonly labels: ReadonlyMap<string, 0 | 1>;
  readonly wallSeconds: number;
}

/** Numbers in [0, 1) that are the same for the same seed (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Cuts a list into pieces of 1 to `most`, of seeded random sizes. */
export function cut<T>(items: readonly T[], most: number, seed: number): T[][] {
  const random = seededRandom(seed);
  const pieces: T[][] = [];
  for (let start = 0; start < items.length; ) {
    const size = 1 + Math.floor(random() * most);
    pieces.push(items.slice(start, start + size));
    start += size;
  }
  return pieces;
}

/** Works through a list with a limited number of workers; the first failure stops all. */
export async function inParallel<T>(
  items: readonly T[],
  workers: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let index = next++; index < items.length; index = next++) {
      await work(items[index] as T, index);
    }
  };
  try {
    await Promise.all(Array.from({ length: workers }, worker));
  } finally {
    next = items.length;
  }
}

const handlerMs = (headers: Headers): number =>
  Number(/handler;dur=([0-9.]+)/.exec(headers.get('server-timing') ?? '')?.[1] ?? Number.NaN);

function checkStatus(reply: ApiReply, what: string): void {
  if (reply.status === 200) return;
  throw new CommandError(`${what} was answered ${reply.status}: ${JSON.stringify(reply.body)}`);
}

const connections = 4;

export interface TrafficOptions {
  readonly model: string;
  readonly flights: readonly Flight[];
  readonly seed: number;
  readonly maximumRows: number;
  /** Called with the number of rows answered so far. */
  readonly onRows: (rows: number) => void;
}

/** Sends flights to be predicted, over at most four connections, as fast as they are answered. */
export async function sendFlights(api: ApiClient, options: TrafficOptions): Promise<Traffic> {
  const requests: Answered[] = [];
  const labels = new Map<string, 0 | 1>();
  const startedAt = performance.now();
  let rows = 0;
  await inParallel(
    cut(options.flights, options.maximumRows, options.seed),
    connections,
    async (flights) => {
      const sentAt = Date.now();
      const from = performance.now();
      const body = JSON.stringify({ instances: flights.map(({ instance }) => instance) });
      const reply = await api.post(`/v1/models/${options.model}:predict`, body);
      const endToEndMs = performance.now() - from;
      checkStatus(reply, 'a request for predictions');
      const answer = parseDocument(PredictReply, reply.body, 'the reply to :predict');
      for (const [i, { late }] of flights.entries())
        labels.set(answer.prediction_ids[i] ?? '', late);
      requests.push({
        rows: flights.length,
        endToEndMs,
        handlerMs: handlerMs(reply.headers),
        version: answer.model_version,
        sentAt,
      });
      rows += flights.length;
      options.onRows(rows);
    },
  );
  return { requests, labels, wallSeconds: (performance.now() - startedAt) / 1_000 };
}

/** Tells the model what became of the flights, some hundred at a time. */
export async function sendLabels(
  api: ApiClient,
  model: string,
  labels: ReadonlyMap<string, 0 | 1>,
): Promise<void> {
  const all = [...labels].map(([prediction_id, label]) => ({ prediction_id, label }));
  const pieces = Array.from({ length: Math.ceil(all.length / 500) }, (_, i) =>
    all.slice(i * 500, i * 500 + 500),
  );
  await inParallel(pieces, connections, async (piece) => {
    const reply = await api.post(`/v1/models/${model}:feedback`, JSON.stringify({ labels: piece }));
    checkStatus(reply, 'a request with labels');
  });
}

/** The value below which a share of the values lies (nearest rank). */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)] ?? Number.NaN;
}
