// Breaks what the server needs, part by part, while it answers: `npm run drill:inference -- --minutes 10`.
// Each reply is compared with what ONNX Runtime for Python answers to the same rows. Ends with 1 unless every
// answer is right and every error is one that callers are promised.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import type { ServedModelSettingsInput } from '../../core/inference/server-settings.ts';
import { startValkeyServer } from '../../local/valkey-server.ts';
import { type BenchModel, writeModels } from '../bench/bench-models.ts';
import { freePort } from '../bench/free-port.ts';
import { type LogSink, startLogSink } from '../bench/log-sink.ts';
import { markdown } from '../bench/report.ts';
import { type ServedRegistry, startServedRegistry } from '../bench/served-registry.ts';
import { leaveServersTheirCore } from '../bench/server-process.ts';
import { droppedBy, phases, type World } from './phases.ts';
import { type Replica, startBalancer, startReplica } from './replicas.ts';
import { startSteadyLoad } from './steady-load.ts';
import { quantile, type Tally } from './tally.ts';
import { startTcpProxy } from './tcp-proxy.ts';

interface Options {
  readonly minutes: number;
  readonly rate: number;
  readonly only?: string;
  readonly json?: string;
}

interface Outcome {
  readonly tally: Tally;
  readonly seen: string;
  /** Why the phase showed nothing, or what ended otherwise than it must. */
  readonly failure?: string;
}

const light = 'light';
const heavy = 'heavy';
const corruptVersion = 3;

/** Two versions of a light model, which answers inline, and a heavy one in threads, behind the cache. */
async function registerAll(
  registry: ServedRegistry,
  read: (name: string) => BenchModel,
): Promise<void> {
  await registry.register({ ...read('small'), model: light, version: 1 });
  await registry.register({ ...read('small-next'), model: light, version: 2 });
  await registry.register({ ...read('heavy'), model: heavy, version: 1 });
  for (const model of [light, heavy]) await registry.enter('live', model, 1);
}

async function registerCorrupt(registry: ServedRegistry, model: BenchModel): Promise<number> {
  await registry.register({ ...model, model: light, version: corruptVersion });
  const spoilt = Buffer.from(model.onnx);
  // A weight of the graph: it loads, and answers otherwise.
  spoilt.fill(0x3f, Math.floor(spoilt.length / 2), Math.floor(spoilt.length / 2) + 64);
  await registry.overwrite(`models/${light}/${corruptVersion}/model.onnx`, spoilt);
  return corruptVersion;
}

const served = (valkeyPort: number): ServedModelSettingsInput[] => [
  { name: light, predictionStream: light },
  {
    name: heavy,
    predictionStream: heavy,
    // So few entries that most answers are Valkey's to know; a millisecond dear enough for it to be asked.
    cache: {
      ttlSeconds: 60,
      maximumEntries: 50,
      usdPerMs: 1e-6,
      valkey: { host: '127.0.0.1', port: valkeyPort },
    },
  },
];

const serverEnvironment = (
  registry: ServedRegistry,
  urls: { readonly registry: string; readonly artifacts: string; readonly log: string },
  valkeyPort: number,
): Record<string, string> => ({
  ...registry.env,
  AWS_ENDPOINT_URL_DYNAMODB: urls.registry,
  AWS_ENDPOINT_URL_S3: urls.artifacts,
  AWS_ENDPOINT_URL_FIREHOSE: urls.log,
  REGISTRY_TABLE: registry.tableName,
  ARTIFACTS_BUCKET: registry.bucket,
  WORKER_THREADS: '2',
  QUEUE_LIMIT_MS: '500',
  MODELS: JSON.stringify(served(valkeyPort)),
});

async function startWorld(options: Options, folder: string, sink: LogSink) {
  const registry = await startServedRegistry();
  const read = await writeModels(folder);
  await registerAll(registry, read);
  const registryProxy = await startTcpProxy(registry.endpoint);
  const artifactsProxy = await startTcpProxy(registry.endpoint);
  const valkey = await startValkeyServer();
  const urls = { registry: registryProxy.url, artifacts: artifactsProxy.url, log: sink.url };
  const env = serverEnvironment(registry, urls, valkey.port);
  const replicas: Replica[] = [];
  const start = async (): Promise<Replica> => {
    const replica = await startReplica(
      `replica-${replicas.length + 1}`,
      await freePort(),
      env,
      folder,
    );
    replicas.push(replica);
    return replica;
  };
  const replica = await start();
  const balancer = startBalancer();
  balancer.add(replica.base);
  const [small, next, slow] = ['small', 'small-next', 'heavy'].map(read);
  const load = startSteadyLoad({
    rows: small?.rows ?? [],
    requestsPerSecond: options.rate,
    target: () => balancer.target,
    models: [
      {
        name: light,
        share: 0.8,
        answers: new Map([
          ['1', small?.answers ?? []],
          ['2', next?.answers ?? []],
        ]),
      },
      { name: heavy, share: 0.2, answers: new Map([['1', slow?.answers ?? []]]) },
    ],
  });
  const world: World = {
    ...{ registry, registryProxy, artifactsProxy, balancer, load, replica, valkey },
    flipped: light,
    startValkey: () => startValkeyServer(valkey.port),
    startReplica: start,
    registerCorrupt: () => registerCorrupt(registry, read('small-next')),
  };
  return {
    world,
    /**
     * Answers that the servers gave must all be in the log when they have ended in order, but for those that
     * they say they dropped. @returns how many those are
     */
    async stop(): Promise<number> {
      await load.stop();
      await balancer.stop();
      for (const { process: server } of replicas) await server.stop('SIGTERM');
      const dropped = replicas.reduce((sum, replica) => sum + droppedBy(replica), 0);
      await world.valkey.stop();
      await registryProxy.stop();
      await artifactsProxy.stop();
      await registry.stop();
      return dropped;
    },
  };
}

async function runPhases(world: World, { minutes, only }: Options): Promise<Outcome[]> {
  const chosen = phases.filter(({ name }) => name.includes(only ?? ''));
  const total = chosen.reduce((sum, { weight }) => sum + weight, 0);
  const outcomes: Outcome[] = [];
  for (const phase of chosen) {
    const ms = (minutes * 60_000 * phase.weight) / total;
    console.error(`  ${phase.name}: ${Math.round(ms / 1000)} s …`);
    const tally = world.load.enter(phase.name);
    try {
      outcomes.push({ tally, seen: await phase.run(world, ms) });
    } catch (error) {
      outcomes.push({ tally, seen: '', failure: `${phase.name}: ${error}` });
    }
  }
  return outcomes;
}

function table(outcomes: readonly Outcome[]): string {
  const header = [
    ...['', 'requests', 'wrong answers', 'undeclared errors', 'declared 503, 504'],
    ...['p50 ms', 'p99 ms', 'seen'],
  ];
  const line = ({ tally, seen }: Outcome): string[] => [
    tally.name,
    ...[tally.requests, tally.wrong, tally.undeclared, tally.declared].map(String),
    ...[0.5, 0.99].map((share) => quantile(tally.latenciesMs, share).toFixed(2)),
    seen,
  ];
  return markdown(header, outcomes.map(line));
}

const sum = (outcomes: readonly Outcome[], key: 'wrong' | 'undeclared' | 'requests' | 'rows') =>
  outcomes.reduce((total, { tally }) => total + tally[key], 0);

interface Logged {
  readonly lines: number;
  readonly dropped: number;
}

function report(outcomes: readonly Outcome[], { lines, dropped }: Logged): boolean {
  const samples = outcomes.flatMap(({ tally, failure }) => [
    ...(failure === undefined ? [] : [failure]),
    ...tally.samples.map((sample) => `${tally.name}: ${sample}`),
  ]);
  const [wrong, undeclared] = [sum(outcomes, 'wrong'), sum(outcomes, 'undeclared')];
  // An answer may be logged whose caller was not there any more; none may be missing that nobody speaks of.
  const missing = Math.max(0, sum(outcomes, 'rows') - lines - dropped);
  console.log(
    [
      table(outcomes),
      `${sum(outcomes, 'requests')} requests, ${wrong} wrong answers, ${undeclared} undeclared errors; of ${sum(outcomes, 'rows')} predictions ${lines} are in the log, ${dropped} are counted as dropped, ${missing} are missing.`,
      ...samples,
    ].join('\n\n'),
  );
  const isWhole = wrong === 0 && undeclared === 0 && missing === 0;
  return isWhole && outcomes.every(({ failure }) => failure === undefined);
}

async function drill(options: Options): Promise<void> {
  leaveServersTheirCore();
  const folder = mkdtempSync(join(tmpdir(), 'slipway-drill-'));
  const sink = await startLogSink();
  try {
    const { world, stop } = await startWorld(options, folder, sink);
    let outcomes: Outcome[] = [];
    let dropped = 0;
    try {
      outcomes = await runPhases(world, options);
    } finally {
      dropped = await stop();
    }
    const isGood = report(outcomes, { lines: sink.lines, dropped });
    if (options.json) writeFileSync(options.json, `${JSON.stringify(outcomes, null, 2)}\n`);
    if (isGood) return;
    process.exitCode = 1;
    console.error(`\nThe end of the last server's log:\n${logEnd(world.replica.logFile)}`);
  } finally {
    await sink.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const logEnd = (file: string): string => readFileSync(file, 'utf8').slice(-4_000);

function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('a number above 0');
  return value;
}

function knownPhase(text: string): string {
  if (phases.some(({ name }) => name.includes(text))) return text;
  const names = phases.map(({ name }) => `'${name}'`).join(', ');
  throw new InvalidArgumentError(`a part of one of ${names}`);
}

await new Command('drill:inference')
  .description('Breaks what the inference server needs, part by part, and checks each answer.')
  .option('--minutes <number>', 'of all phases together, at least 1', positive, 10)
  .option('--rate <number>', 'requests a second', positive, 200)
  .option('--only <text>', 'the phases whose name has it', knownPhase)
  .option('--json <file>', 'writes all figures into a file')
  .action(drill)
  .parseAsync();
