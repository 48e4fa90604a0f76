// Whatever is killed or stopped, in every state of the machine: run again, and there is one version more,
// one pair of ledger entries for it, and nothing left behind.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Faults, type FunctionState, openFaults, signal } from './faults.ts';
import { type Flights, flightsCsv } from './flights.ts';
import { type Laptop, model, startLaptop, until } from './laptop.ts';
import { openStanding, type Standing } from './standing.ts';

/** The states of a run that quarantines a file and goes live, in their order. */
const states = [
  'AwaitQuiet',
  'TakeSnapshot',
  'ValidateSnapshot',
  'QuarantineFiles',
  'PlanTraining',
  'BuildFeatures',
  'Train',
  'MeasureCandidate',
  'EvaluateCandidate',
  'RegisterVersion',
  'StageVersion',
  'PromoteVersion',
  'FinishLive',
];
const functionStates = states.filter((state) => state !== 'Train');

let laptop: Laptop;
let faults: Faults;
let standing: Standing;
let folder: string;
let functions: FunctionState[];
let taskNames: string[];
/** Calls to AWS that each function makes in a run that nobody disturbs. */
let usualCalls: ReadonlyMap<string, number>;
let seed = 0;
/** Each training's data is of another concept, so that its version beats the one before by far. */
let concept = 0;
/** How many versions there have to be. */
let versions = 0;

const landing = `landing/${model}/`;
const landed = () => laptop.data.keys(landing);

/** The data of a training that there was not before: what lay in landing goes, these files come. */
async function newData(...files: (Partial<Flights> & { broken?: boolean })[]): Promise<string[]> {
  for (const key of await landed()) await laptop.data.remove(key);
  concept += 1;
  return files.map(({ broken = false, ...flights }) => {
    seed += 1;
    const csv = flightsCsv({ rows: 2_000, seed, concept, ...flights });
    const path = join(folder, `${broken ? 'broken' : 'flights'}-${seed}.csv`);
    writeFileSync(path, broken ? csv.replace(/,\d+,([01])\n$/, ',-5,$1\n') : csv);
    return path;
  });
}

/** Starts a run on files that trains, because a person asks for it, and resolves with its name. */
async function drop(files: readonly string[]): Promise<string> {
  await laptop.json('drop', model, ...files, '--no-start');
  return (await laptop.json('train', model)).runId;
}

/** The outcome of a run that nobody has to help any more. */
async function outcomeOf(runId: string): Promise<string | undefined> {
  expect(await faults.ended(runId)).toBe('SUCCEEDED');
  return (await standing.registry.getRun(model, runId)).outcome;
}

/** Resolves when a stopped run is recorded as such and no longer holds the lock. */
async function released(runId: string): Promise<void> {
  await until(async () => ((await standing.lock())?.runId === runId ? undefined : true));
}

/** Holds the worker that is to do a state, so that the state cannot be over too soon. */
async function freeze(state: string | undefined): Promise<() => void> {
  const held = functions.find((each) => each.state === state);
  if (!held) return () => {};
  const letGo = await faults.freeze(held.functionName);
  onTestFinished(letGo);
  return letGo;
}

/**
 * Goes on with a run that broke. Where the word of its own drop came so late that the next run began
 * with it, that one goes on.
 */
async function retry(broken: string): Promise<string> {
  const { code, stdout, stderr } = await laptop.cli('retry', broken, '--json');
  if (code === 0) return JSON.parse(stdout).runId;
  expect(stderr).toContain('is going on');
  return (await laptop.json('train', model)).runId;
}

/** Rest, with one version more than before this was called last. */
async function oneVersionMore(): Promise<void> {
  await standing.rest();
  versions += 1;
  await standing.check(versions);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-interruptions-'));
  laptop = await startLaptop();
  faults = openFaults(laptop, await laptop.parameter(`models/${model}/state-machine-arn`));
  standing = openStanding(laptop);
  ({ names: taskNames, functions } = await faults.taskStates());
});

afterAll(async () => {
  await laptop?.stop();
  rmSync(folder, { recursive: true, force: true });
});

// A test that failed must not take the others with it.
afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return;
  await standing.rest();
  versions = (await standing.versions()).length;
  const left = await laptop.artifacts.keys('');
  for (const key of left) if (!key.startsWith('models/')) await laptop.artifacts.remove(key);
});

describe('a run that nobody disturbs', () => {
  it('quarantines the broken one of two files and goes live with the other', async () => {
    await faults.forgetCalls();
    const files = await newData({}, { broken: true });
    const runId = await drop(files);
    expect(await outcomeOf(runId)).toBe('live');
    const calls = await faults.calls();
    usualCalls = new Map(
      functions.map(({ functionName, roleArn }) => [functionName, calls.get(roleArn) ?? 0]),
    );
    await oneVersionMore();
    expect(await landed()).toEqual([expect.stringMatching(/\/flights-\d+\.csv$/)]);
    expect(await laptop.data.keys(`quarantine/${model}/`)).toEqual([
      expect.stringContaining('broken-'),
    ]);
  });

  it('passes through every state that does something, but for the other ends and those of an import', () => {
    const otherEnds = [
      'NoData',
      'Quarantined',
      'QuarantinedAll',
      'Collected',
      'Rejected',
      'Unmeasured',
      'Unchanged',
      'Staged',
      'NotLive',
      'Imported',
    ];
    const ofAnImport = [
      'PlanImport',
      'DescribeFeatures',
      'ConvertImport',
      'EvaluateImport',
      'RegisterImport',
    ];
    const all = [...states, ...ofAnImport, ...otherEnds.map((end) => `Finish${end}`)];
    expect(taskNames.sort()).toEqual(all.sort());
  });
});

describe('the worker of every function is killed', () => {
  const moments = {
    'before it did anything': () => 0,
    'halfway through its calls': (usual: number) => Math.ceil(usual / 2),
    'close to its end': (usual: number) => Math.max(1, usual - 1),
  };
  const killed = new Map(Object.keys(moments).map((moment) => [moment, [] as string[]]));

  it.each(Object.entries(moments))('%s, and the state does it again', async (moment, callsOf) => {
    const own = functions.filter(({ state }) => functionStates.includes(state));
    const afterCalls = new Map(
      own.map(({ functionName: name }) => [name, callsOf(usualCalls.get(name) ?? 0)]),
    );
    const files = await newData({}, { broken: true });
    if (moment === 'before it did anything') {
      for (const { state } of own) await freeze(state);
    }
    await faults.forgetCalls();
    let over = false;
    const killing = faults.killOnce(own, afterCalls, () => over);
    const runId = await drop(files);
    const outcome = await outcomeOf(runId).finally(() => {
      over = true;
    });
    await killing;
    expect(outcome).toBe('live');
    killed.set(moment, await faults.killedStates(runId));
    await oneVersionMore();
  });

  it('really was', () => {
    const told = [...killed].map(([moment, hit]) => `${moment}: ${hit.length} (${hit.join(', ')})`);
    console.log(['Workers killed at work', ...told].join('\n  '));
    expect(new Set([...killed.values()].flat())).toEqual(new Set(functionStates));
    expect(killed.get('before it did anything')).toHaveLength(functionStates.length);
  });
});

describe('the execution is stopped', () => {
  /** Stops a run in a state, where its function would have gone on; false where it was too quick. */
  async function stopIn(runId: string, state: string, letGo = () => {}): Promise<boolean> {
    expect(await faults.entered(runId, state)).toBe(true);
    if (state === 'Train') await until(() => faults.trainers()[0]);
    await faults.stop(runId);
    letGo();
    expect(await faults.ended(runId)).toBe('ABORTED');
    await released(runId);
    expect((await standing.registry.getRun(model, runId)).status).toBe('ABORTED');
    return (await faults.stoppedIn(runId)) === state;
  }

  it('in every state, one after the other, and `slipway retry` goes on there', async () => {
    const stopped: string[] = [];
    const files = await newData({}, { broken: true });
    let letGo = await freeze(states[0]);
    let runId = await drop(files);
    for (const [index, state] of states.entries()) {
      if (await stopIn(runId, state, letGo)) stopped.push(state);
      letGo = await freeze(states[index + 1]);
      runId = await retry(runId);
    }
    expect(await outcomeOf(runId)).toBe('live');
    expect(stopped).toEqual(states);
    await oneVersionMore();
  });

  it('and its worker goes on late, beside the run that `slipway train` starts anew', async () => {
    const chosen = ['BuildFeatures', 'Train', 'RegisterVersion', 'StageVersion', 'PromoteVersion'];
    const stopped: string[] = [];
    const files = await newData({});
    let letGo = await freeze(chosen[0]);
    let runId = await drop(files);
    for (const [index, state] of chosen.entries()) {
      if (await stopIn(runId, state)) stopped.push(state);
      const letThisGo = letGo;
      letGo = await freeze(chosen[index + 1]);
      ({ runId } = await laptop.json('train', model));
      letThisGo();
    }
    // The late worker may have promoted the version before the last run planned its training.
    expect(['live', 'unchanged']).toContain(await outcomeOf(runId));
    expect(stopped).toEqual(chosen);
    await oneVersionMore();
  });
});

describe('the trainer is killed', () => {
  const flights = { rows: 300_000, seed: 4_711, concept: 3 };
  const hashes: Record<string, unknown> = {};

  /** What the trainer told of itself, and the version's first round. */
  async function story(runId: string) {
    const { trainerLog } = await laptop.json('logs', runId);
    const rounds = (pattern: RegExp) =>
      (trainerLog as string[]).flatMap((line) => {
        const round = pattern.exec(line)?.[1];
        return round === undefined ? [] : [Number(round)];
      });
    return {
      checkpoints: rounds(/^checkpoint written: round (\d+)/),
      resumedFrom: rounds(/^resumed from checkpoint: round (\d+)/),
    };
  }

  /** Of the newest version. */
  async function trained() {
    const [{ versions: shown }] = await laptop.json('models');
    const newest = shown.find(({ version }: { version: number }) => version === versions);
    const metrics = await laptop.artifacts.json(`models/${model}/${versions}/metrics.json`);
    return { hash: newest.onnxSha256, firstRound: metrics.training.firstRound };
  }

  it('with its spot instance, and the next instance goes on after the checkpoint', async () => {
    const files = await newData({ ...flights, writing: 'plain' });
    await faults.interruptSpot(model);
    const runId = await drop(files);
    expect(await outcomeOf(runId)).toBe('live');
    await oneVersionMore();
    const { checkpoints, resumedFrom } = await story(runId);
    const { firstRound, hash } = await trained();
    expect(resumedFrom).toEqual([firstRound - 1]);
    expect(checkpoints).toContain(firstRound - 1);
    expect(firstRound).toBeGreaterThan(1);
    hashes['spot'] = hash;
  });

  it('by SIGKILL, and `slipway retry` goes on after the checkpoint', async () => {
    const files = await newData({ ...flights, writing: 'quoted' });
    const failed = await drop(files);
    const checkpoints = `checkpoints/${model}/`;
    const isWritten = (keys: string[]) => keys.some((key) => key.endsWith('/manifest.json'));
    await until(async () => isWritten(await laptop.artifacts.keys(checkpoints)) || undefined);
    const trainers = faults.trainers();
    expect(trainers).toHaveLength(1);
    for (const pid of trainers) signal(pid, 'SIGKILL');
    expect(await faults.ended(failed)).toBe('FAILED');
    await released(failed);
    const runId = await retry(failed);
    expect(await outcomeOf(runId)).toBe('live');
    await oneVersionMore();
    const before = await story(failed);
    const after = await story(runId);
    const { firstRound, hash } = await trained();
    expect(after.resumedFrom).toEqual([firstRound - 1]);
    expect(before.checkpoints).toContain(firstRound - 1);
    expect(firstRound).toBeGreaterThan(1);
    hashes['killed'] = hash;
  });

  it('and the model is that of a training which nobody interrupted, byte for byte', async () => {
    const files = await newData({ ...flights, writing: 'with carriage returns' });
    const runId = await drop(files);
    expect(await outcomeOf(runId)).toBe('live');
    await oneVersionMore();
    expect((await story(runId)).resumedFrom).toEqual([]);
    const { firstRound, hash } = await trained();
    expect(firstRound).toBe(1);
    expect(hash).toMatch(/^[0-9a-f]{64}$/);
    expect(hashes).toEqual({ spot: hash, killed: hash });
  });
});

describe('ten files that are dropped one after the other', () => {
  const filesOf = async (runId: string): Promise<number> => {
    const { version = 0 } = await standing.registry.getRun(model, runId);
    const found = await standing.registry.getVersion(model, version);
    if (found.origin !== 'trained') throw new Error('nothing is imported here');
    return (await laptop.data.json(found.lineage.data.manifestKey)).files.length;
  };

  it('start one execution, and an eleventh during the run is in the next one', async () => {
    await newData();
    const before = new Set(await faults.executions());
    const put = (file: number) => {
      seed += 1;
      // The eleventh file is most of the data by then, and of a concept of its own.
      const flights = file === 11 ? { rows: 6_000, concept: 2 } : { rows: 300, concept: 0 };
      return laptop.data.put(`${landing}part-${file}.csv`, flightsCsv({ ...flights, seed }));
    };
    for (let file = 1; file <= 10; file += 1) {
      await put(file);
      await sleep(250);
    }
    const { runId } = await until(() => standing.lock());
    // The last file's event has come by then; the model's data is trained on when a person asks.
    await sleep(2_000);
    expect((await laptop.json('train', model)).runId).toBe(runId);
    expect(await faults.entered(runId, 'ValidateSnapshot')).toBe(true);
    await put(11);
    const next = await until(async () => (await standing.lock())?.next);
    expect((await faults.executions()).filter((name) => !before.has(name))).toEqual([runId]);
    expect(await outcomeOf(runId)).toBe('live');
    // All is there: the next run need not wait for more.
    expect((await laptop.json('train', model)).runId).toBe(next.runId);
    await until(async () => ((await faults.status(next.runId)) === undefined ? undefined : true));
    expect(await outcomeOf(next.runId)).toBe('live');
    versions += 1;
    await oneVersionMore();
    expect([await filesOf(runId), await filesOf(next.runId)]).toEqual([10, 11]);
    const started = (await faults.executions()).filter((name) => !before.has(name));
    expect(started.sort()).toEqual([runId, next.runId].sort());
  });
});
