// One server with 1, 5, 10 and 20 models under the same load: `npm run bench:growth`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command } from 'commander';
import type { ServedModelSettingsInput } from '../../core/inference/server-settings.ts';
import { serverNodeFlags } from '../../lib/runtime/server-archive.ts';
import { type BenchModel, writeModels } from './bench-models.ts';
import { serverFolder } from './contestants.ts';
import { freePort } from './free-port.ts';
import { type LogSink, startLogSink } from './log-sink.ts';
import { inWords, machine } from './machine.ts';
import { type CellResult, type Entrant, measureCell } from './measure.ts';
import { memoryMbOf } from './process-cost.ts';
import { figure, markdown, median } from './report.ts';
import { inferJson } from './requests.ts';
import { type ServedRegistry, startServedRegistry } from './served-registry.ts';
import { leaveServersTheirCore, root, startServer } from './server-process.ts';

interface Options {
  readonly quick: boolean;
  readonly json?: string;
}

const counts = [1, 5, 10, 20];
const connections = 16;

const modelName = (index: number): string => `model-${index + 1}`;
const namesOf = (count: number): string[] => Array.from({ length: count }, (_, i) => modelName(i));
const inferPath = (name: string): string => `/v2/models/${name}/infer`;

async function startWith(
  count: number,
  registry: ServedRegistry,
  sink: LogSink,
  folder: string,
): Promise<Entrant> {
  const port = await freePort();
  const base = `http://127.0.0.1:${port}`;
  const names = namesOf(count);
  const name = `${count} model${count === 1 ? '' : 's'}`;
  const own = serverFolder(folder, name);
  const models: ServedModelSettingsInput[] = names.map((model) => ({
    name: model,
    predictionStream: model,
  }));
  const server = await startServer({
    name,
    command: process.execPath,
    args: [...serverNodeFlags, join(root, 'containers', 'inference-server', 'main.ts')],
    env: {
      ...registry.env,
      AWS_ENDPOINT_URL_FIREHOSE: sink.url,
      REGISTRY_TABLE: registry.tableName,
      ARTIFACTS_BUCKET: registry.bucket,
      MODELS: JSON.stringify(models),
      PORT: String(port),
      QUEUE_LIMIT_MS: '10000',
      WORKER_THREADS: '0',
      NODE_ENV: 'production',
    },
    cwd: own,
    readyUrl: `${base}/v2/health/ready`,
    logFile: join(own, 'server.log'),
  });
  server.pause();
  const paths = names.map(inferPath);
  return {
    server,
    base,
    contestant: { name, paths, form: () => inferJson(paths[0] ?? '', 'instances') },
  };
}

async function measureAll(
  model: BenchModel,
  entrants: readonly Entrant[],
  options: Options,
  folder: string,
): Promise<{ readonly result: CellResult; readonly memoryMb: ReadonlyMap<string, number> }> {
  const cell = { model: model.name, connections, rows: 1 };
  const pace = options.quick ? { rounds: 3, seconds: 1 } : { rounds: 7, seconds: 3 };
  const result = await measureCell(cell, model, entrants, pace, folder);
  const memory = entrants.map(({ contestant, server }): [string, number] => [
    contestant.name,
    memoryMbOf(server.pid),
  ]);
  return { result, memoryMb: new Map(memory) };
}

function table({ runs }: CellResult, memoryMb: ReadonlyMap<string, number>): string {
  const rows = [...runs].map(([name, all]) => [
    name,
    ...(['requestsPerSecond', 'p50Ms', 'p99Ms', 'cpuUsPerRequest'] as const).map((key) =>
      figure(median(all.map((run) => run[key]))),
    ),
    figure(memoryMb.get(name) ?? Number.NaN),
  ]);
  const header = ['', 'requests/s', 'p50 ms', 'p99 ms', 'CPU µs/request', 'memory MB'];
  return markdown(header, rows);
}

async function growth(options: Options): Promise<void> {
  const about = machine();
  leaveServersTheirCore();
  const folder = mkdtempSync(join(tmpdir(), 'slipway-growth-'));
  const registry = await startServedRegistry();
  const sink = await startLogSink();
  const entrants: Entrant[] = [];
  try {
    const model = (await writeModels(folder))('mid');
    for (const name of namesOf(Math.max(...counts))) {
      await registry.register({ ...model, model: name, version: 1 });
      await registry.enter('live', name, 1);
    }
    for (const count of counts) entrants.push(await startWith(count, registry, sink, folder));
    const { result, memoryMb } = await measureAll(model, entrants, options, folder);
    console.log(
      `${inWords(about)}\n\n### The mid model so many times in one server, ${connections} connections, 1 row a request, the models in turn\n\n${table(result, memoryMb)}`,
    );
    if (options.json) {
      const report = {
        machine: about,
        runs: Object.fromEntries(result.runs),
        memoryMb: Object.fromEntries(memoryMb),
      };
      writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    }
  } finally {
    await Promise.all(entrants.map(({ server }) => server.stop()));
    await sink.stop();
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

await new Command('bench:growth')
  .description('One server with 1, 5, 10 and 20 models under the same load.')
  .option('--quick', 'fewer and shorter rounds', false)
  .option('--json <file>', 'writes every run into a file')
  .action(growth)
  .parseAsync();
