// npm run bench:lambda-start [-- --runs 9 --round-trip-ms 0]: how long the predict function takes from the
// start of its process to its first prediction, against ONNX Runtime alone. Each run starts both, one after
// the other, in turns. Not included: what Lambda does before the process starts, and AWS's own times, unless
// --round-trip-ms stands in for them.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { bundleHandler } from '../../lib/runtime/bundle.ts';
import { modelVersion } from '../builders/model-version.ts';
import { type StandIn, startStandIn } from './aws-stand-in.ts';
import { inWords, machine } from './machine.ts';
import { figure, markdown, median } from './report.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '9' },
    'round-trip-ms': { type: 'string', default: '0' },
  },
});
const runs = Number(values.runs);
const roundTripMs = Number(values['round-trip-ms']);
const model = 'parcel-weight';
const version = modelVersion(1, { weights: [0.01, -0.2], bias: 0.5 }, model);
const child = join(import.meta.dirname, 'first-prediction.mjs');

/** Milliseconds since the process began. */
interface Start {
  readonly codeAt: number;
  /** The function's own code has run, and its first event is there. */
  readonly loadedAt?: number;
  readonly predictedAt: number;
  /** Processor time after Node was up, of all threads. */
  readonly cpuMs: number;
  readonly predictions: readonly number[];
}

async function started(args: readonly string[], env: NodeJS.ProcessEnv): Promise<Start> {
  const { stdout } = await promisify(execFile)(process.execPath, [child, ...args], {
    env: { PATH: process.env['PATH'], ...env },
  });
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
}

const event = JSON.stringify({
  httpMethod: 'POST',
  path: `/v1/models/${model}:predict`,
  headers: { 'content-type': 'application/json' },
  body: JSON.stringify({ instances: [{ length: 10, items: 2, parcel_id: 'p' }] }),
  requestContext: { requestId: 'bench' },
});

const variables = (url: string, cache: string): NodeJS.ProcessEnv => ({
  AWS_REGION: 'eu-west-1',
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
  AWS_ENDPOINT_URL: url,
  MODEL_NAME: model,
  REGISTRY_TABLE: 'registry',
  ARTIFACTS_BUCKET: 'artifacts',
  PREDICTION_STREAM: 'predictions',
  PREDICTION_CACHE: cache,
  NODE_PATH: join(import.meta.dirname, '..', '..', 'node_modules'),
});

async function measured(folder: string, standIn: StandIn) {
  const graph = join(folder, 'model.onnx');
  writeFileSync(graph, version.objects.get(`models/${model}/1/model.onnx`) ?? '');
  const bundle = join(bundleHandler('inference/predict'), 'index.js');
  const cache = JSON.stringify({ ttlSeconds: 60, maximumEntries: 1_000, usdPerMs: 0 });
  const ways = {
    'require, session, run': () => started(['bare', graph, '2'], {}),
    'predict function': () => started(['handler', bundle, event], variables(standIn.url, '')),
    'predict function with a cache in memory': () =>
      started(['handler', bundle, event], variables(standIn.url, cache)),
  };
  const results = new Map<string, Start[]>(Object.keys(ways).map((name) => [name, []]));
  // One of each that is not counted: their files are in the system's memory from then on.
  for (const way of Object.values(ways)) await way();
  standIn.takeRequests();
  await ways['predict function']();
  const asked = standIn.takeRequests();
  for (let run = 0; run < runs; run += 1) {
    for (const [name, way] of Object.entries(ways)) results.get(name)?.push(await way());
  }
  return { results, asked };
}

/** The median of the runs' own ratios to the first way. */
function ratio(
  all: readonly Start[],
  bare: readonly Start[],
  of: (start: Start) => number,
): string {
  return figure(median(all.map((start, run) => of(start) / of(bare[run] ?? start))));
}

const inOwnCode = ({ codeAt, predictedAt }: Start) => predictedAt - codeAt;
const processor = ({ cpuMs }: Start) => cpuMs;
const sinceStart = ({ predictedAt }: Start) => predictedAt;

const folder = mkdtempSync(join(tmpdir(), 'slipway-lambda-start-'));
const standIn = await startStandIn(version, roundTripMs);
try {
  const { results, asked } = await measured(folder, standIn);
  const bare = [...results.values()][0] ?? [];
  const rows = [...results].map(([name, all]) => [
    name,
    figure(median(all.flatMap(({ codeAt, loadedAt }) => (loadedAt ? [loadedAt - codeAt] : [])))),
    figure(median(all.map(inOwnCode))),
    ratio(all, bare, inOwnCode),
    figure(median(all.map(sinceStart))),
    ratio(all, bare, sinceStart),
    figure(median(all.map(processor))),
    ratio(all, bare, processor),
  ]);
  const header = [
    `${runs} runs, medians`,
    'code loaded, ms',
    'first prediction after Node is up, ms',
    'ratio',
    'since the process began, ms',
    'ratio',
    'processor ms after Node is up',
    'ratio',
  ];
  process.stdout.write(`${inWords(machine())}\n\n${markdown(header, rows)}\n\n`);
  process.stdout.write(
    `The function asked, each answered after ${roundTripMs} ms: ${asked.join(', ')}\n`,
  );
} finally {
  await standIn.stop();
  rmSync(folder, { recursive: true });
}
