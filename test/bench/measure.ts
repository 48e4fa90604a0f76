// Measures contestants side by side: round after round each gets the same load for the same time.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { BenchModel } from './bench-models.ts';
import { firstDifference } from './compare-answers.ts';
import type { Contestant } from './contestants.ts';
import { type LoadResult, load } from './load.ts';
import { cpuMsOf } from './process-cost.ts';
import { parts, writeBodies } from './requests.ts';
import { canPin, type ServerProcess, serverCore } from './server-process.ts';

export interface Cell {
  readonly model: string;
  readonly connections: number;
  /** Of one request. */
  readonly rows: number;
}

export interface Run {
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** User and system time of the server's processes. */
  readonly cpuUsPerRequest: number;
}

export interface Entrant {
  readonly contestant: Pick<Contestant, 'name' | 'form' | 'isFloor'> & {
    /** Where requests go in turn, if not to the one path of its form. */
    readonly paths?: readonly string[];
  };
  readonly server: ServerProcess;
  readonly base: string;
}

export interface CellResult {
  readonly cell: Cell;
  /** By contestant, one run per round: the runs of a round are neighbours in time. */
  readonly runs: ReadonlyMap<string, readonly Run[]>;
}

/** A server that answers otherwise than Python does, or not at all: there is nothing to compare. */
export class UnequalAnswersError extends Error {
  override readonly name = 'UnequalAnswersError';
}

export interface Pace {
  readonly rounds: number;
  readonly seconds: number;
}

interface Loaded extends Entrant {
  readonly load: (seconds: number) => Promise<LoadResult>;
}

function loaded(entrant: Entrant, { connections, rows }: Cell, model: BenchModel, folder: string) {
  const { contestant, base } = entrant;
  const form = contestant.form(model.name);
  const asked = parts(model.rows, rows);
  const bodiesFile = join(folder, `${contestant.name.replaceAll(/\W+/g, '-')}-${rows}.bodies`);
  const bodies = asked.map((part) => form.body(part));
  writeBodies(bodiesFile, bodies);
  const jsonLength = form.jsonLength?.(asked[0] ?? []);
  const paths = contestant.paths ?? [form.path];
  const { contentType } = form;
  return {
    ...entrant,
    load: (seconds: number) =>
      load({ base, paths, bodiesFile, contentType, jsonLength, connections, seconds }),
  };
}

async function checkAnswers({ contestant, base }: Entrant, cell: Cell, model: BenchModel) {
  if (contestant.isFloor) return;
  const form = contestant.form(model.name);
  for (const path of contestant.paths ?? [form.path]) {
    const asked = { ...form, path };
    const why = await firstDifference(base, asked, model, cell.rows).catch(String);
    if (why === undefined) continue;
    throw new UnequalAnswersError(
      `${contestant.name}, ${path}, model ${model.name}, ${cell.rows} rows a request: ${why}`,
    );
  }
}

async function oneRun({ contestant, server, load: put }: Loaded, seconds: number): Promise<Run> {
  const before = cpuMsOf(server.pid);
  const { requests, seconds: took, p50Ms, p99Ms, failed } = await put(seconds);
  const cpuMs = cpuMsOf(server.pid) - before;
  if (failed > 0 || requests === 0) {
    throw new UnequalAnswersError(`${contestant.name}: ${failed} of ${requests} requests failed`);
  }
  return {
    requestsPerSecond: requests / took,
    p50Ms,
    p99Ms,
    cpuUsPerRequest: (cpuMs * 1_000) / requests,
  };
}

/** What was asked last is answered by then. */
const settleMs = 150;

/** The others stand still meanwhile. */
async function alone<T>({ server }: Entrant, work: () => Promise<T>): Promise<T> {
  server.resume();
  // Who stood still finds itself late, and refuses what comes before it has seen that it is not.
  await sleep(settleMs);
  try {
    return await work();
  } finally {
    // Stopped in the middle of a run, a server would take that run for slow and refuse what comes next.
    await sleep(settleMs);
    server.pause();
  }
}

/** Compilers and allocators have to have seen the load before it counts; at first they need longer. */
const firstWarmUpSeconds = 3;
const warmUpSeconds = 1;
/** The forms in which a server was asked already. */
const warm = new WeakMap<ServerProcess, Set<string>>();

function takeWarmUpSeconds({ contestant, server }: Entrant): number {
  const seen = warm.get(server) ?? new Set();
  warm.set(server, seen);
  const isFirst = !seen.has(contestant.name);
  seen.add(contestant.name);
  return isFirst ? firstWarmUpSeconds : warmUpSeconds;
}

/** @throws UnequalAnswersError */
export async function measureCell(
  cell: Cell,
  model: BenchModel,
  entrants: readonly Entrant[],
  { rounds, seconds }: Pace,
  folder: string,
  /** What else is measured in each round. */
  beside?: () => Promise<void>,
): Promise<CellResult> {
  const all = entrants.map((entrant) => loaded(entrant, cell, model, folder));
  for (const entrant of all) {
    await alone(entrant, async () => {
      await checkAnswers(entrant, cell, model);
      await entrant.load(takeWarmUpSeconds(entrant));
    });
  }
  const runs = new Map<string, Run[]>(all.map(({ contestant }) => [contestant.name, []]));
  for (let round = 0; round < rounds; round += 1) {
    // Each begins a round once: what is first may have a colder machine.
    const turn = round % all.length;
    for (const entrant of [...all.slice(turn), ...all.slice(0, turn)]) {
      const run = await alone(entrant, () => oneRun(entrant, seconds));
      runs.get(entrant.contestant.name)?.push(run);
    }
    await beside?.();
  }
  return { cell, runs };
}

/** Rows a second of ONNX Runtime alone, row after row, on the servers' core. */
export async function rawRowsPerSecond(model: BenchModel, seconds: number): Promise<number> {
  const script = join(import.meta.dirname, 'raw-loop.ts');
  const pinned = canPin ? ['taskset', '-c', String(serverCore)] : [];
  const [command = '', ...args] = [...pinned, process.execPath, script];
  const { stdout } = await promisify(execFile)(command, [...args, model.file, String(seconds)]);
  return Number(stdout);
}
