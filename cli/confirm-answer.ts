import { setTimeout as sleep } from 'node:timers/promises';
import type { ApiClient, ApiReply } from './api-client.ts';
import { CommandError, describeError } from './command-error.ts';
import { type Terminal, withProgress } from './terminal.ts';

/** What the API is to say from now on. */
export type Expected = { readonly version: number } | { readonly retired: true };

export interface Confirmation {
  /** From the ledger's entry to the first round of answers that all said so. */
  readonly seconds: number;
  readonly requests: number;
}

/** Asked at the same time, so that more than one replica is heard. */
const askedAtOnce = 3;
const limitMs = 30_000;
const pauseMs = 50;

const says = ({ status, body }: ApiReply, expected: Expected): boolean =>
  'retired' in expected
    ? status === 404
    : status === 200 &&
      (body as { model_version?: unknown }).model_version === String(expected.version);

async function ask(
  openApi: () => Promise<ApiClient>,
  model: string,
  expected: Expected,
): Promise<Confirmation> {
  const startedAt = performance.now();
  let requests = 0;
  let heard = 'it was not asked yet';
  try {
    const api = await openApi();
    while (performance.now() - startedAt < limitMs) {
      const asked = Array.from({ length: askedAtOnce }, () => api.get(`/v1/models/${model}`));
      const replies = await Promise.all(asked);
      requests += replies.length;
      const other = replies.find((reply) => !says(reply, expected));
      if (!other) return { seconds: (performance.now() - startedAt) / 1_000, requests };
      heard = `${other.status} ${JSON.stringify(other.body)}`;
      await sleep(pauseMs);
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
): Promise<Confirmation> {
  try {
    return await withProgress(terminal, `asking the API of ${model}`, () =>
      ask(openApi, model, expected),
    );
  } catch (error) {
    for (const line of lines) terminal.note(line);
    throw error;
  }
}

export const describeConfirmation = (
  { requests, seconds }: Confirmation,
  expected: Expected,
): string =>
  `Confirmed through the API after ${seconds.toFixed(2)} s: ${requests} requests, the last ${askedAtOnce} ${
    'retired' in expected ? 'told that it is retired' : `answered by version ${expected.version}`
  }.`;
