import { setTimeout as sleep } from 'node:timers/promises';
import { createModelSession } from '../../adapters/model-session.ts';
import { instancesOf } from '../../core/features/holdout-instances.ts';
import { maximumInstances } from '../../core/inference/instances.ts';
import { InvalidRequestError } from '../../core/inference/invalid-request-error.ts';
import { purposeHeader } from '../../core/inference/log/prediction-record.ts';
import { type PredictReply, predict } from '../../core/inference/protocols/v1.ts';
import type { SignatureColumn } from '../../core/inference/signature.ts';
import { loadVersion } from '../../core/inference/versions/load-version.ts';
import type { ApiClient, ApiReply } from '../api-client.ts';
import { CommandError } from '../command-error.ts';
import type { Deployment } from '../deployment.ts';
import type { Terminal } from '../terminal.ts';
import type { NotebookRows } from './notebook-rows.ts';

/** What came of one request: a number per row, or what is wrong with it. */
export type Answer =
  | { readonly predictions: readonly number[]; readonly version: number }
  | { readonly refused: string };

/** Asks a version with the body of a request. */
export type Ask = (body: string) => Promise<Answer>;

const attempts = 6;
const passing: ReadonlySet<number> = new Set([429, 502, 503, 504]);

const errorOf = ({ body }: ApiReply): string =>
  (body as { error?: string } | null)?.error ?? JSON.stringify(body);

const answered = ({ model_version, predictions }: PredictReply) => ({
  predictions: predictions.map((each) => (typeof each === 'number' ? each : each.prediction)),
  version: Number(model_version),
});

/** Asks the live version through the endpoint, as every caller does. */
export const askEndpoint =
  (api: Pick<ApiClient, 'post'>, model: string, pauseMs = 500): Ask =>
  async (body) => {
    const headers = { [purposeHeader]: 'parity' };
    for (let attempt = 1; ; attempt += 1) {
      const reply = await api.post(`/v1/models/${model}:predict`, body, headers);
      if (reply.status === 200) return answered(reply.body as PredictReply);
      if (reply.status === 400) return { refused: errorOf(reply) };
      if (!passing.has(reply.status) || attempt === attempts) {
        throw new CommandError(`the model's API answered ${reply.status}: ${errorOf(reply)}`);
      }
      await sleep(pauseMs * 2 ** (attempt - 1));
    }
  };

/** Asks a version that is not live: its registered artifacts answer here, by the endpoint's own code. */
export async function askArtifacts(
  { artifacts, registry }: Pick<Deployment, 'artifacts' | 'registry'>,
  model: string,
  version: number,
): Promise<Ask> {
  const loaded = await loadVersion(
    {
      record: (number) => registry.getVersion(model, number),
      read: artifacts.get,
      createSession: createModelSession,
    },
    version,
  );
  return async (body) => {
    try {
      return answered((await predict(loaded, { body, requestId: 'parity' })).reply);
    } catch (error) {
      if (error instanceof InvalidRequestError) return { refused: error.message };
      throw error;
    }
  };
}

export interface Answers {
  /** One per row; NaN where the row was refused. */
  readonly actual: readonly number[];
  /** Places of rows that the version does not take, and why. */
  readonly refused: ReadonlyMap<number, string>;
}

/** Half of what a request may have, so that wide rows are answered in time too. */
const rowsAtOnce = maximumInstances / 2;
const bytesAtOnce = 1_000_000;
/** A table that does not fit the model at all is told soon. */
const mostRefused = 200;

/** Places of rows whose instances fit one request. */
function* requests(instances: readonly string[]): Generator<number[]> {
  let [places, bytes]: [number[], number] = [[], 0];
  for (const [place, { length }] of instances.entries()) {
    if (places.length > 0 && (places.length === rowsAtOnce || bytes + length > bytesAtOnce)) {
      yield places;
      [places, bytes] = [[], 0];
    }
    places.push(place);
    bytes += length;
  }
  if (places.length > 0) yield places;
}

/** The rows of a request that a refusal names, each with the first thing that is wrong with it. */
function refusedRows(text: string, places: readonly number[]): Map<number, string> {
  const found = new Map<number, string>();
  for (const [, index, problem = ''] of text.matchAll(/instances\[(\d+)\]\.?([^;]*)/g)) {
    const place = places[Number(index)];
    if (place !== undefined && !found.has(place)) found.set(place, problem.trim());
  }
  return found;
}

/** Tells how far it is, at most every two seconds. */
function progress(terminal: Pick<Terminal, 'note'>, all: number): (done: number) => void {
  let toldAt = performance.now();
  return (done) => {
    if (performance.now() - toldAt < 2_000) return;
    toldAt = performance.now();
    terminal.note(`  ${done} of ${all} rows answered`);
  };
}

function checkVersion(answered: number, wanted: number): void {
  if (answered === wanted) return;
  throw new CommandError(
    `version ${answered} answered, and version ${wanted} was live before: it changed meanwhile; run the command again`,
  );
}

interface Asked {
  readonly ask: Ask;
  readonly version: number;
  /** JSON. */
  readonly instances: readonly string[];
  readonly actual: number[];
  readonly refused: Map<number, string>;
}

/** Asks about some rows until all that are left of them are answered. */
async function answerRows(asked: Asked, places: readonly number[]): Promise<void> {
  const { actual, ask, instances, refused, version } = asked;
  if (places.length === 0) return;
  const body = `{"instances":[${places.map((place) => instances[place]).join(',')}]}`;
  const answer = await ask(body);
  if ('predictions' in answer) {
    checkVersion(answer.version, version);
    for (const [i, place] of places.entries()) actual[place] = answer.predictions[i] ?? Number.NaN;
    return;
  }
  const wrong = refusedRows(answer.refused, places);
  for (const [place, problem] of wrong) refused.set(place, problem);
  if (wrong.size === 0 || refused.size >= mostRefused) {
    throw new CommandError(`the version does not take these rows: ${answer.refused}`);
  }
  await answerRows(
    asked,
    places.filter((place) => !wrong.has(place)),
  );
}

/**
 * The version's answers to all rows, in requests of some hundred rows. A row that is refused is noted, and
 * the others of its request are asked again without it.
 * @throws CommandError where another version answers, or hardly a row is taken.
 */
export async function answersOf(
  ask: Ask,
  version: number,
  { inputs, keys }: Pick<NotebookRows, 'inputs' | 'keys'>,
  columns: readonly SignatureColumn[],
  terminal: Pick<Terminal, 'note'>,
): Promise<Answers> {
  const all = keys.map((_, row) => row);
  const instances = instancesOf(columns, inputs, all).map((each) => JSON.stringify(each));
  const asked: Asked = {
    ...{ ask, version, instances },
    actual: keys.map(() => Number.NaN),
    refused: new Map(),
  };
  const tell = progress(terminal, keys.length);
  for (const places of requests(instances)) {
    await answerRows(asked, places);
    tell((places.at(-1) ?? 0) + 1);
  }
  return asked;
}
