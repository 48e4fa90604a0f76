// Slipway's server beside others, on the same rows, models and core: `npm run bench:inference`.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { type BenchModel, modelNames, writeModels } from './bench-models.ts';
import {
  type Contestant,
  contestants,
  serverFolder,
  slipway,
  slipwayBinary,
  slipwaySampled,
  slipwayUnbatched,
} from './contestants.ts';
import { freePort } from './free-port.ts';
import { startLogSink } from './log-sink.ts';
import { inWords, machine } from './machine.ts';
import {
  type Cell,
  type CellResult,
  type Entrant,
  measureCell,
  type Pace,
  rawRowsPerSecond,
} from './measure.ts';
import { memoryMbOf } from './process-cost.ts';
import { cellTitle, type Measured, tables, targets } from './report.ts';
import { type ServedRegistry, startServedRegistry } from './served-registry.ts';
import { leaveServersTheirCore, startServer } from './server-process.ts';

interface Options {
  readonly quick: boolean;
  readonly only?: readonly string[];
  readonly models: readonly string[];
  readonly json?: string;
}

const say = (text: string): void => console.error(text);

const cellsOf = (model: string, quick: boolean): Cell[] => {
  const busy = { model, connections: 64, rows: 1 };
  if (quick) return model === 'small' ? [{ model, connections: 1, rows: 1 }, busy] : [busy];
  return [
    ...[1, 8, 64].map((connections) => ({ model, connections, rows: 1 })),
    { model, connections: 64, rows: 64 },
  ];
};

const pace = (quick: boolean): Pace => ({ rounds: quick ? 3 : 5, seconds: 1 });

/** Binary shows at many rows, the others at one. */
const takesPart = ({ name }: Pick<Contestant, 'name'>, { connections, rows }: Cell): boolean => {
  if (name === slipwayBinary) return rows > 1;
  if (name === slipwayUnbatched) return rows === 1;
  return name !== slipwaySampled || connections === 64;
};

interface Setup {
  readonly folder: string;
  readonly registry: ServedRegistry;
  readonly slipwayEnvironment: Readonly<Record<string, string>>;
}

async function startAll(
  chosen: readonly Contestant[],
  model: BenchModel,
  { folder, slipwayEnvironment }: Setup,
): Promise<Entrant[]> {
  const started = new Map<string, Promise<Omit<Entrant, 'contestant'>>>();
  const start = async (contestant: Contestant): Promise<Omit<Entrant, 'contestant'>> => {
    const port = await freePort();
    const command = await contestant.server({
      model: model.name,
      modelFile: model.file,
      port,
      folder: serverFolder(folder, `${model.name}-${contestant.name}`),
      slipway: slipwayEnvironment,
    });
    const server = await startServer({ ...command, name: contestant.name });
    return { server, base: `http://127.0.0.1:${port}` };
  };
  const entrants = chosen.map(async (contestant): Promise<Entrant> => {
    const key = contestant.sameServerAs ?? contestant.name;
    const own = started.get(key) ?? start(contestant);
    started.set(key, own);
    return { contestant, ...(await own) };
  });
  const outcomes = await Promise.allSettled(entrants);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  const ready = outcomes.flatMap((outcome) =>
    outcome.status === 'fulfilled' ? [outcome.value] : [],
  );
  if (failed) {
    await stopAll(ready);
    throw failed.reason;
  }
  for (const { server } of ready) server.pause();
  return ready;
}

const stopAll = (entrants: readonly Entrant[]): Promise<unknown> =>
  Promise.all([...new Set(entrants.map(({ server }) => server))].map((server) => server.stop()));

async function measureModel(
  model: BenchModel,
  chosen: readonly Contestant[],
  options: Options,
  setup: Setup,
) {
  const { rounds, seconds } = pace(options.quick);
  const raw: number[] = [];
  const alone = async () => void raw.push(await rawRowsPerSecond(model, seconds));
  say(`  ${model.name}: starts the servers …`);
  const entrants = await startAll(chosen, model, setup);
  try {
    const cells: CellResult[] = [];
    for (const cell of cellsOf(model.name, options.quick)) {
      say(`  ${cellTitle(cell)} …`);
      const here = entrants.filter(({ contestant }) => takesPart(contestant, cell));
      const beside = cell.connections === 64 && cell.rows === 1 ? alone : undefined;
      cells.push(await measureCell(cell, model, here, { rounds, seconds }, setup.folder, beside));
    }
    const memory = new Map(
      entrants.map(({ contestant, server }) => [contestant.name, memoryMbOf(server.pid)]),
    );
    return { cells, memory, raw };
  } finally {
    await stopAll(entrants);
  }
}

function chosenContestants(only: Options['only']): Contestant[] {
  if (!only) return [...contestants];
  const unknown = only.filter((name) => !contestants.some((known) => known.name === name));
  if (unknown.length > 0) {
    const known = contestants.map(({ name }) => `'${name}'`).join(', ');
    throw new InvalidArgumentError(
      `--only: ${unknown.join(', ')} is not measured; there are ${known}`,
    );
  }
  return contestants.filter(({ name }) => only.includes(name));
}

const asJson = (measured: Measured): object => ({
  cells: measured.cells.map(({ cell, runs }) => ({ ...cell, runs: Object.fromEntries(runs) })),
  memoryMb: Object.fromEntries(
    [...measured.memoryMb].map(([model, all]) => [model, Object.fromEntries(all)]),
  ),
  rawRowsPerSecond: Object.fromEntries(measured.raw),
  targets: targets(measured),
});

async function prepareAll(chosen: readonly Contestant[]): Promise<void> {
  // One after the other: two installations of the same environment would meet.
  for (const contestant of chosen) await contestant.prepare();
}

async function bench(options: Options): Promise<void> {
  const chosen = chosenContestants(options.only);
  await prepareAll(chosen);
  const about = machine();
  leaveServersTheirCore();
  const folder = mkdtempSync(join(tmpdir(), 'slipway-bench-'));
  const registry = await startServedRegistry();
  const sink = await startLogSink();
  try {
    const read = await writeModels(folder);
    const slipwayEnvironment = {
      ...registry.env,
      AWS_ENDPOINT_URL_FIREHOSE: sink.url,
      REGISTRY_TABLE: registry.tableName,
      ARTIFACTS_BUCKET: registry.bucket,
    };
    const cells: CellResult[] = [];
    const memoryMb = new Map<string, ReadonlyMap<string, number>>();
    const raw = new Map<string, readonly number[]>();
    for (const name of options.models) {
      const model = read(name);
      await registry.register({ ...model, model: name, version: 1 });
      await registry.enter('live', name, 1);
      const found = await measureModel(model, chosen, options, {
        folder,
        registry,
        slipwayEnvironment,
      });
      cells.push(...found.cells);
      memoryMb.set(name, found.memory);
      raw.set(name, found.raw);
    }
    const measured = { cells, memoryMb, raw };
    console.log(
      `${inWords(about)}\n\n${tables(measured)}\n\n${sink.lines} predictions were logged.`,
    );
    if (options.json) {
      const report = { machine: about, predictionsLogged: sink.lines, ...asJson(measured) };
      writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
    }
  } finally {
    await sink.stop();
    await registry.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

const listed = (text: string): string[] => text.split(';').map((part) => part.trim());

function knownModels(text: string): string[] {
  const names = listed(text.replaceAll(',', ';'));
  const unknown = names.filter((name) => !modelNames.some((known) => known === name));
  if (unknown.length > 0)
    throw new InvalidArgumentError(`${unknown.join(', ')}: there are ${modelNames.join(', ')}`);
  return names;
}

await new Command('bench:inference')
  .description(
    'Compares servers on the same rows, models and core. Answers are compared with ONNX Runtime for Python first.',
  )
  .option('--quick', 'fewer cells and rounds, in 3 minutes', false)
  .option('--only <names>', `contestants, separated by ';', among them '${slipway}'`, listed)
  .option('--models <names>', 'models, separated by commas', knownModels, [...modelNames])
  .option('--json <file>', 'writes every run into a file')
  .action(bench)
  .parseAsync();
