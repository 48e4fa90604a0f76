import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient, ApiReply } from './api-client.ts';
import { CommandError, describeError } from './command-error.ts';
import type { Clock } from './follow-run.ts';
import { type Terminal, withProgress } from './terminal.ts';

/** What the API is to say from now on. */
export type Expected = { readonly version: number } | { readonly retired: true };

export interface Confirmation {
  /** From the ledger's entry to the first answer that said so. */
  readonly firstSeconds: number;
  /** To the round of answers that all said so after every replica must have read the ledger. */
  readonly seconds: number;
  readonly requests: number;
}

/** Asked at the same time, so that more than one replica is heard. */
const askedAtOnce = 3;
/**
 * A replica that nobody asks here reads the ledger's head at most a second late, and answers with what it
 * knew before for at most another 0.9 s.
 */
const everyReplicaMs = 2_000;
const limitMs = 30_000;
const pauseMs = 100;

const says = ({ status, body }: ApiReply, expected: Expected): boolean =>
  'retired' in expected
    ? status === 404 && /is retired/.test(String((body as { error?: unknown }).error))
    : status === 200 &&
      (body as { model_version?: unknown }).model_version === String(expected.version);

async function ask(
  openApi: () => Promise<ApiClient>,
  model: string,
  expected: Expected,
  clock: Clock,
): Promise<Confirmation> {
  const startedAt = clock.now();
  const elapsed = () => clock.now() - startedAt;
  let requests = 0;
  let firstMs: number | undefined;
  let heard = 'it was not asked yet';
  try {
    const api = await openApi();
    while (elapsed() < limitMs) {
      const isLast = elapsed() >= everyReplicaMs;
      const asked = Array.from({ length: askedAtOnce }, () => api.get(`/v1/models/${model}`));
      const replies = await Promise.all(asked);
      requests += replies.length;
      const other = replies.find((reply) => !says(reply, expected));
      if (replies.some((reply) => says(reply, expected))) firstMs ??= elapsed();
      if (isLast && !other && firstMs !== undefined) {
        return { firstSeconds: firstMs / 1_000, seconds: elapsed() / 1_000, requests };
      }
      if (other) heard = `${other.status} ${JSON.stringify(other.body)}`;
      await clock.sleep(pauseMs);
    }
  } catch (error) {
    heard = describeError(error);
  }
  throw new CommandError(
    `the ledger has the entry, and every endpoint reads it within 2 s, but the API did not confirm it: ${heard}; ask with \`slipway predict ${model} --example\``,
  );
}

/**
 * Asks the API until the answers are by the version that is live now, or say that the model is retired.
 * @throws CommandError where they do not within 30 s: the ledger's entry stands all the same, so what it
 * did is told before.
 */
export async function confirmAnswer(
  openApi: () => Promise<ApiClient>,
  model: string,
  expected: Expected,
  {
    lines,
    terminal,
  }: { readonly lines: readonly string[]; readonly terminal: Pick<Terminal, 'note'> },
  clock: Clock = { now: () => performance.now(), sleep },
): Promise<Confirmation> {
  try {
    return await withProgress(terminal, `asking the API of ${model}`, () =>
      ask(openApi, model, expected, clock),
    );
  } catch (error) {
    for (const line of lines) terminal.note(line);
    throw error;
  }
}

export const describeConfirmation = (
  { firstSeconds, requests, seconds }: Confirmation,
  expected: Expected,
): string => {
  const what = 'retired' in expected ? 'said that it is retired' : `is version ${expected.version}`;
  return `Confirmed: the API ${what} after ${firstSeconds.toFixed(2)} s, and in every replica after ${seconds.toFixed(2)} s (${requests} requests).`;
};
