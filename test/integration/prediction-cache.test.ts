import { spawnSync } from 'node:child_process';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { elasticacheToken } from '../../adapters/elasticache-token.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { valkeyPredictionCache } from '../../adapters/valkey-prediction-cache.ts';
import { PredictionCache } from '../../core/inference/cache/prediction-cache.ts';
import { type PredictReply, predict } from '../../core/inference/protocols/v1.ts';
import { LiveVersions } from '../../core/inference/versions/live-versions.ts';
import { loadVersion } from '../../core/inference/versions/load-version.ts';
import { accessString } from '../../lib/inference/shared-cache.ts';
import { startValkeyServer, type ValkeyServer } from '../../local/valkey-server.ts';
import { modelVersion } from '../builders/model-version.ts';
import type { LinearModel } from '../builders/onnx-model.ts';

const model = 'parcel-weight';
const graphs: Record<number, LinearModel> = {
  1: { weights: [0.01, -0.2], bias: 0.5 },
  2: { weights: [0.03, 0.1], bias: -1 },
};
type Row = { readonly length: number; readonly items?: number };
const rows: Row[] = Array.from({ length: 24 }, (_, i) =>
  i % 5 === 0 ? { length: i } : { length: i, items: (i * 7) % 11 },
);

let server: ValkeyServer;

const encoded = (parts: readonly string[]): string =>
  `*${parts.length}\r\n${parts.map((part) => `$${Buffer.byteLength(part)}\r\n${part}\r\n`).join('')}`;

/** The answer to commands, as anybody with access to the port could send them. */
const send = (text: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(server.port, server.host, () => socket.write(text));
    socket.setEncoding('utf8').once('error', reject);
    socket.once('data', (answer) => {
      socket.destroy();
      resolve(String(answer));
    });
  });
const command = (...parts: string[]) => send(encoded(parts));
const commandAs = (password: string, ...parts: string[]) =>
  send(encoded(['AUTH', password]) + encoded(parts));

const open: ReturnType<typeof valkeyPredictionCache>[] = [];
function sharedCache(login?: { username: string; password: string }, of = model) {
  const { host, port } = server;
  const asked = login && { login: async () => login };
  const shared = valkeyPredictionCache({
    host,
    port,
    model: of,
    ttlSeconds: 600,
    tls: false,
    ...asked,
  });
  open.push(shared);
  return shared;
}

/** Here it is to be asked though the graph is faster: nothing takes any time. */
const noTime = () => 0;
const noMemory = { get: () => undefined, set: () => undefined };

/** What one function's environment holds; it remembers nothing, so that it asks the server. */
function environmentOfAFunction() {
  let live = 1;
  const versions = new LiveVersions({
    model,
    head: async () => ({ model, sequence: live, live }),
    formerlyLive: async () => [],
    load: (version) => {
      const { record, objects } = modelVersion(version, graphs[version] as LinearModel);
      const read = async (key: string) => objects.get(key) as Buffer;
      return loadVersion(
        { record: async () => record, read, createSession: createModelSession },
        version,
      );
    },
    onFailure: ({ error }) => {
      throw error;
    },
  });
  const cache = new PredictionCache({ memory: noMemory, shared: sharedCache(), elapsed: noTime });
  const ask = async (instances: readonly Row[], through: PredictionCache | undefined = cache) => {
    const body = JSON.stringify({ instances });
    const answer = await versions.use((version) =>
      predict(version, { body, requestId: 'r' }, through),
    );
    await answer.kept;
    return answer;
  };
  return {
    ask,
    /** Without a cache: what is right. */
    computed: (instances: readonly Row[]) =>
      versions.use((version) =>
        predict(version, { body: JSON.stringify({ instances }), requestId: 'r' }),
      ),
    async goLive(version: number) {
      live = version;
      // The head is read again when it is a second old.
      await until(async () => (await versions.use(async (v) => v.version)) === version);
    },
  };
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
}

const outcomes = async (asked: ReturnType<ReturnType<typeof environmentOfAFunction>['ask']>) =>
  new Set((await asked).records.map(({ cache }) => cache));

/** Asks until every row comes from the server; whatever it asks, the answers are those that are right. */
async function untilAllHit(
  { ask }: ReturnType<typeof environmentOfAFunction>,
  right: PredictReply['predictions'],
): Promise<void> {
  await until(async () => {
    const { records, reply } = await ask(rows);
    expect(reply.predictions).toEqual(right);
    return records.every(({ cache }) => cache === 'hit-valkey');
  });
}

/** Waits, by asking, until rows that are known come from the server. */
async function warm({ ask }: ReturnType<typeof environmentOfAFunction>): Promise<void> {
  await until(async () => (await outcomes(ask(rows))).has('hit-valkey'));
}

beforeAll(async () => {
  server = await startValkeyServer();
});
afterAll(() => server?.stop());
beforeEach(async () => {
  expect(await command('FLUSHALL')).toBe('+OK\r\n');
  await command('ACL', 'LOG', 'RESET');
});
afterEach(() => {
  for (const shared of open.splice(0)) shared.disconnect();
});

describe('the shared cache in the path of a request', () => {
  test('answers another environment of the function as the one that computed', async () => {
    const [one, other] = [environmentOfAFunction(), environmentOfAFunction()];
    const computed = (await one.computed(rows)).reply.predictions;
    await warm(one);
    await untilAllHit(one, computed);
    await untilAllHit(other, computed);
  });

  test('forgets after the time that the model says', async () => {
    await warm(environmentOfAFunction());
    const [key] = /parcel-weight:[\w-]{43}/.exec(await command('KEYS', '*')) ?? [];
    const seconds = Number((await command('TTL', String(key))).slice(1));
    expect(seconds).toBeGreaterThan(500);
    expect(seconds).toBeLessThanOrEqual(600);
  });

  test('believes no entry that is not a number as it writes them', async () => {
    const shared = sharedCache();
    await shared.connect();
    for (const text of ['', ' 1', 'NaN', '1e999', '0x10', '1,5']) {
      await command('SET', `${model}:odd`, text);
      expect(await shared.get(['odd'])).toEqual([undefined]);
    }
    await command('SET', `${model}:odd`, '-1.5');
    expect(await shared.get(['odd'])).toEqual([-1.5]);
  });

  test('gives a new version no answer of the old one, and finds those again after a rollback', async () => {
    const environment = environmentOfAFunction();
    const first = (await environment.computed(rows)).reply.predictions;
    await untilAllHit(environment, first);
    await environment.goLive(2);
    const second = (await environment.computed(rows)).reply.predictions;
    expect(second).not.toEqual(first);
    const fresh = await environment.ask(rows);
    expect(new Set(fresh.records.map(({ cache }) => cache))).toEqual(new Set(['miss']));
    expect(fresh.reply.predictions).toEqual(second);
    await environment.goLive(1);
    await untilAllHit(environment, first);
    await environment.goLive(2);
    await untilAllHit(environment, second);
  });
});

describe('a shared cache in trouble', () => {
  /** Asks in four lines at once until told to stop; every answer is compared with the computed one. */
  async function underLoad(
    environment: ReturnType<typeof environmentOfAFunction>,
    trouble: (answered: () => number) => Promise<void>,
  ) {
    const right = (await environment.computed(rows)).reply.predictions;
    const seen = {
      requests: 0,
      wrong: 0,
      errors: [] as unknown[],
      shared: new Map<unknown, number>(),
    };
    let stop = false;
    const line = async (start: number) => {
      for (let i = start; !stop; i += 1) {
        const from = i % (rows.length - 3);
        try {
          const { reply, sharedCache } = await environment.ask(rows.slice(from, from + 3));
          const same = reply.predictions.every((value, row) => value === right[from + row]);
          if (!same || reply.predictions.length !== 3) seen.wrong += 1;
          seen.shared.set(sharedCache, (seen.shared.get(sharedCache) ?? 0) + 1);
        } catch (error) {
          seen.errors.push(error);
        }
        seen.requests += 1;
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const lines = [0, 5, 10, 15].map(line);
    try {
      await trouble(() => seen.requests);
    } finally {
      stop = true;
      await Promise.all(lines);
    }
    return seen;
  }
  const further = (answered: () => number, requests: number) => {
    const from = answered();
    return until(async () => answered() >= from + requests);
  };

  test('that is killed and comes back under load: no error, no wrong answer, and hits again', async () => {
    const environment = environmentOfAFunction();
    await warm(environment);
    const seen = await underLoad(environment, async (answered) => {
      await further(answered, 100);
      process.kill(server.pid, 'SIGKILL');
      await further(answered, 200);
      const { port } = server;
      await server.stop();
      server = await startValkeyServer(port);
      await warm(environment);
      await further(answered, 100);
    });
    expect(seen).toMatchObject({ errors: [], wrong: 0 });
    expect(seen.shared.get('answered')).toBeGreaterThan(0);
    expect(seen.shared.get('left alone')).toBeGreaterThan(0);
  });

  test('that stands still costs some requests their budget, is then left alone, and is used again', async () => {
    const environment = environmentOfAFunction();
    await warm(environment);
    const seen = await underLoad(environment, async (answered) => {
      await further(answered, 50);
      process.kill(server.pid, 'SIGSTOP');
      try {
        await further(answered, 200);
      } finally {
        process.kill(server.pid, 'SIGCONT');
      }
      await warm(environment);
    });
    expect(seen).toMatchObject({ errors: [], wrong: 0 });
    expect(seen.shared.get('late')).toBeGreaterThanOrEqual(3);
    expect(seen.shared.get('left alone')).toBeGreaterThan(0);
  });

  test('that stands still costs each of many requests at once its budget and no more', async () => {
    const environment = environmentOfAFunction();
    await warm(environment);
    const right = (await environment.computed(rows)).reply.predictions;
    process.kill(server.pid, 'SIGSTOP');
    try {
      const burst = Array.from({ length: 64 }, (_, i) =>
        environment.ask([rows[i % rows.length] as Row]),
      );
      const answers = await Promise.all(burst);
      for (const [i, { reply }] of answers.entries()) {
        expect(reply.predictions[0]).toBe(right[i % rows.length]);
      }
      const shared = new Set(answers.map(({ sharedCache }) => sharedCache));
      expect([...shared].filter((outcome) => outcome === 'answered')).toEqual([]);
      expect((await environment.ask(rows)).sharedCache).toBe('left alone');
    } finally {
      process.kill(server.pid, 'SIGCONT');
    }
    await warm(environment);
  });

  test('that was never there is missed by nobody', async () => {
    const gone = { ...server, port: 1 };
    const shared = valkeyPredictionCache({ ...gone, model, ttlSeconds: 600, tls: false });
    const reasons: unknown[] = [];
    const cache = new PredictionCache({
      memory: noMemory,
      shared,
      elapsed: noTime,
      onOpen: (reason) => reasons.push(reason),
    });
    const environment = environmentOfAFunction();
    const right = (await environment.computed(rows)).reply.predictions;
    await until(async () => {
      const answer = await environment.ask(rows, cache);
      expect(answer.reply.predictions).toEqual(right);
      return reasons.length > 0;
    });
    expect((await environment.ask(rows, cache)).sharedCache).toBe('left alone');
  });
});

describe('the rights of a model in the shared cache', () => {
  const login = { username: 'user-of-parcel-weight', password: 'secret' };
  beforeEach(async () => {
    const rules = accessString(model).split(' ');
    expect(
      await command('ACL', 'SETUSER', login.username, 'reset', ...rules, `>${login.password}`),
    ).toBe('+OK\r\n');
  });

  test('are enough to read and write its own keys', async () => {
    const shared = sharedCache(login);
    await shared.connect();
    await shared.set(new Map([['a', 0.25]]));
    expect(await shared.get(['a', 'b'])).toEqual([0.25, undefined]);
    expect(await command('ACL', 'LOG')).toBe('*0\r\n');
  });

  test('do not reach the keys of another, also of one whose name begins alike', async () => {
    const shared = sharedCache(login, `${model}-eu`);
    await shared.connect();
    await expect(shared.get(['a'])).rejects.toThrow(/NOPERM/);
    await expect(shared.set(new Map([['a', 1]]))).rejects.toThrow(/NOPERM/);
  });

  test('are nobody’s who has a wrong password', async () => {
    // As in ElastiCache, where nobody comes in without a name.
    await command('ACL', 'SETUSER', 'default', 'resetpass', '>of the operator');
    try {
      await expect(sharedCache({ ...login, password: 'guess' }).connect()).rejects.toThrow();
      await sharedCache(login).connect();
    } finally {
      await commandAs('of the operator', 'ACL', 'SETUSER', 'default', 'nopass');
    }
  });
});

describe('a token for ElastiCache', () => {
  const credentials = {
    accessKeyId: 'AKIAEXAMPLE',
    secretAccessKey: 'secret/with+signs=',
    sessionToken: 'token/with+signs==',
  };
  const login = { cacheName: 'slipway-prod', user: 'prod-churn-0a1b2c3d', region: 'eu-west-1' };

  test('is the one that AWS’s own signer makes', async () => {
    const now = new Date('2026-03-01T11:22:33Z');
    const script = `
import datetime, json, sys
import botocore.auth, botocore.awsrequest, botocore.credentials
now = datetime.datetime(2026, 3, 1, 11, 22, 33, tzinfo=datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *a, **k: now
given = json.load(sys.stdin)
request = botocore.awsrequest.AWSRequest(method="GET", url="http://%s/" % given["cacheName"], params={
    "Action": "connect", "User": given["user"], "ResourceType": "ServerlessCache"})
credentials = botocore.credentials.Credentials(*given["keys"])
botocore.auth.SigV4QueryAuth(credentials, "elasticache", given["region"], expires=900).add_auth(request)
print(request.url.removeprefix("http://"))`;
    const keys = Object.values(credentials);
    const python = spawnSync('.venv/local/bin/python', ['-c', script], {
      encoding: 'utf8',
      input: JSON.stringify({ ...login, keys }),
    });
    expect(python.stderr).toBe('');
    const parts = (token: string) => {
      const url = new URL(`http://${token}`);
      return { host: url.host, path: url.pathname, query: Object.fromEntries(url.searchParams) };
    };
    const token = await elasticacheToken({ ...login, credentials }, now);
    expect(parts(token)).toEqual(parts(python.stdout.trim()));
    expect(parts(token).query).toMatchObject({ 'X-Amz-Expires': '900', User: login.user });
  });
});
