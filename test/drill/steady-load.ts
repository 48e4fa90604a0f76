// So many requests a second, whatever becomes of them; each reply is compared with Python's answers.
import { Agent, type IncomingMessage, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { tolerance } from '../bench/compare-answers.ts';
import { type Form, inferBinary, inferJson, namedInstances, type Row } from '../bench/requests.ts';
import { newTally, note, type Tally } from './tally.ts';

export interface AskedModel {
  readonly name: string;
  /** By version, one per row. */
  readonly answers: ReadonlyMap<string, readonly number[]>;
  /** Of all requests. */
  readonly share: number;
}

export interface SteadyLoadOptions {
  readonly models: readonly AskedModel[];
  readonly rows: readonly Row[];
  readonly requestsPerSecond: number;
  /** The replica that a load balancer would choose now. */
  readonly target: () => string | undefined;
}

export interface SteadyLoad {
  /** What comes of requests that begin from now on is counted there. */
  enter(name: string): Tally;
  /** Milliseconds of Date.now when a version last answered, by `model/version`. */
  readonly lastAnswered: ReadonlyMap<string, number>;
  /** So many callers beside it, of whom each sends the next request when it has its answer. Settles with theirs. */
  flood(callers: number, ms: number): Promise<void>;
  /** Settles when every request has its outcome. */
  stop(): Promise<void>;
}

/** Longer than a server may take. */
const replyLimitMs = 30_000;
const tickMs = 10;
const rowCounts = [1, 1, 1, 1, 1, 1, 8, 64];
/** Of each request of a flood. */
const floodRows = 64;
/** Callers of a flood come again sooner than they are told to, and yet not at once. */
const floodPauseMs = 100;

interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: Buffer;
}

function send(agent: Agent, url: string, form: Form, rows: readonly Row[]): Promise<Reply> {
  const body = form.body(rows);
  const jsonLength = form.jsonLength?.(rows);
  const headers = {
    'content-type': form.contentType,
    'content-length': body.length,
    ...(jsonLength !== undefined && { 'inference-header-content-length': String(jsonLength) }),
  };
  return new Promise((resolve, reject) => {
    const asked = request(url, { method: 'POST', agent, headers }, (reply) => {
      const chunks: Buffer[] = [];
      reply.on('data', (chunk: Buffer) => chunks.push(chunk));
      reply.on('error', reject);
      reply.on('end', () =>
        resolve({
          status: reply.statusCode ?? 0,
          headers: reply.headers,
          body: Buffer.concat(chunks),
        }),
      );
    });
    asked.setTimeout(replyLimitMs, () =>
      asked.destroy(new Error(`no reply within ${replyLimitMs} ms`)),
    );
    asked.on('error', reject);
    asked.end(body);
  });
}

/** The version is in the JSON of every form, which binary tensors follow. */
const versionIn = (body: Buffer): string | undefined =>
  /"model_version":"(\d+)"/.exec(body.toString('latin1'))?.[1];

/** What is wrong with an answer; undefined where it is Python's. */
function mistake(
  model: AskedModel,
  version: string | undefined,
  answers: readonly number[],
  { first, count }: { readonly first: number; readonly count: number },
): string | undefined {
  const expected = model.answers.get(version ?? '');
  if (!expected) return `version ${version} of ${model.name} answered, which is none of those`;
  if (answers.length !== count) return `${answers.length} answers to ${count} rows`;
  const at = answers.findIndex(
    (answer, i) => !(Math.abs(answer - (expected[first + i] ?? Number.NaN)) <= tolerance),
  );
  if (at === -1) return undefined;
  return `row ${first + at} of ${model.name} version ${version}: ${answers[at]}, not ${expected[first + at]}`;
}

function isDeclared({ status, headers, body }: Reply): boolean {
  const isError =
    headers['content-type'] === 'application/json' && /^\{"error":"/.test(String(body));
  return isError && (status === 504 || (status === 503 && headers['retry-after'] !== undefined));
}

const formsOf = ({ name }: AskedModel): Form[] => [
  inferJson(`/v2/models/${name}/infer`, 'instances'),
  inferBinary(`/v2/models/${name}/infer`, 'instances'),
  namedInstances(`/v1/models/${name}:predict`),
];

const pick = <T>(values: readonly T[]): T => {
  const picked = values[Math.floor(Math.random() * values.length)];
  if (picked === undefined) throw new RangeError('there is nothing to pick from');
  return picked;
};

function pickModel(models: readonly AskedModel[]): AskedModel {
  let left = Math.random() * models.reduce((sum, { share }) => sum + share, 0);
  for (const model of models) {
    left -= model.share;
    if (left <= 0) return model;
  }
  return pick(models);
}

export function startSteadyLoad(options: SteadyLoadOptions): SteadyLoad {
  const { models, rows, requestsPerSecond, target } = options;
  const agent = new Agent({ keepAlive: true });
  const forms = new Map(models.map((model) => [model.name, formsOf(model)]));
  const lastAnswered = new Map<string, number>();
  const pending = new Set<Promise<boolean>>();
  let tally = newTally('start');

  function judge(
    to: Tally,
    model: AskedModel,
    form: Form,
    reply: Reply,
    first: number,
    count: number,
  ) {
    if (reply.status !== 200) {
      if (isDeclared(reply)) to.declared += 1;
      else note(to, 'undeclared', `${reply.status} ${reply.body.toString().slice(0, 200)}`);
      return;
    }
    const version = versionIn(reply.body);
    const headers = new Headers();
    const jsonLength = reply.headers['inference-header-content-length'];
    if (typeof jsonLength === 'string') headers.set('inference-header-content-length', jsonLength);
    const answers = form.answers(reply.body, headers);
    to.answered += 1;
    to.rows += count;
    to.versions.set(
      `${model.name}/${version}`,
      (to.versions.get(`${model.name}/${version}`) ?? 0) + 1,
    );
    lastAnswered.set(`${model.name}/${version}`, Date.now());
    const why = mistake(model, version, answers, { first, count });
    if (why !== undefined) note(to, 'wrong', why);
  }

  /** @returns whether it was answered with predictions */
  async function one(model: AskedModel, count: number): Promise<boolean> {
    const to = tally;
    const form = pick(forms.get(model.name) ?? []);
    const first = Math.floor(Math.random() * (rows.length - count + 1));
    const base = target();
    to.requests += 1;
    if (base === undefined) {
      note(to, 'undeclared', 'no replica is ready');
      return false;
    }
    const startedAt = performance.now();
    try {
      const reply = await send(
        agent,
        `${base}${form.path}`,
        form,
        rows.slice(first, first + count),
      );
      to.latenciesMs.push(performance.now() - startedAt);
      judge(to, model, form, reply, first, count);
      return reply.status === 200;
    } catch (error) {
      note(to, 'undeclared', `${form.path}: ${error}`);
      return false;
    }
  }

  const begin = (model: AskedModel, count: number): Promise<boolean> => {
    const work: Promise<boolean> = one(model, count).finally(() => pending.delete(work));
    pending.add(work);
    return work;
  };
  let countedAt = performance.now();
  let due = 0;
  const timer = setInterval(() => {
    // As many as are due: a tick may be late.
    const now = performance.now();
    due += ((now - countedAt) / 1_000) * requestsPerSecond;
    countedAt = now;
    for (; due >= 1; due -= 1) void begin(pickModel(models), pick(rowCounts));
  }, tickMs);
  return {
    lastAnswered,
    async flood(callers, ms) {
      const until = performance.now() + ms;
      const caller = async (): Promise<void> => {
        while (performance.now() < until) {
          // Who was sent away, or found nobody, does not come again at once.
          if (!(await begin(pickModel(models), floodRows))) await sleep(floodPauseMs);
        }
      };
      await Promise.all(Array.from({ length: callers }, caller));
    },
    enter(name) {
      tally = newTally(name);
      return tally;
    },
    async stop() {
      clearInterval(timer);
      await Promise.all(pending);
      agent.destroy();
    },
  };
}
