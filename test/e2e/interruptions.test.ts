// Whatever is killed or stopped, in every state of the machine: run again, and there is one version more,
// one pair of ledger entries for it, and nothing left behind.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { type Faults, type FunctionState, openFaults } from './faults.ts';
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
/** How many versions there have to be. */
let versions = 0;

const landing = `landing/${model}/`;
const landed = () => laptop.data.keys(landing);

/** The data of a training that there was not before: what lay in landing goes, these files come. */
async function newData(...files: (Partial<Flights> & { broken?: boolean })[]): Promise<string[]> {
  for (const key of await landed()) await laptop.data.remove(key);
  return files.map(({ broken = false, ...flights }) => {
    seed += 1;
    const csv = flightsCsv({ rows: 2_000, seed, ...flights });
    const path = join(folder, `${broken ? 'broken' : 'flights'}-${seed}.csv`);
    writeFileSync(path, broken ? csv.replace(/,\d+,([01])\n$/, ',-5,$1\n') : csv);
    return path;
  });
}

/** Starts a run on files and resolves with its name. */
const drop = async (files: readonly string[]): Promise<string> =>
  (await laptop.json('drop', model, ...files)).runId;

/** The outcome of a run that nobody has to help any more. */
async function outcomeOf(runId: string): Promise<string | undefined> {
  expect(await faults.ended(runId)).toBe('SUCCEEDED');
  return (await standing.registry.getRun(model, runId)).outcome;
}

/** Resolves when a stopped run is recorded as such and no longer holds the lock. */
async function released(runId: string): Promise<void> {
  await until(async () => ((await standing.lock())?.runId === runId ? undefined : true));
}

const functionOf = (state: string): FunctionState => {
  const found = functions.find((each) => each.state === state);
  if (!found) throw new Error(`no function does the state ${state}`);
  return found;
};

/** Rest, with one version more than before this was called last. */
async function oneVersionMore(): Promise<void> {
  await standing.rest();
  versions += 1;
  await standing.check(versions);
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-interruptions-'));
  laptop = await startLaptop();
  faults = openFaults(laptop);
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

  it('passes through every state that does something, but for the other ends', () => {
    const otherEnds = ['NoData', 'Quarantined', 'QuarantinedAll', 'Rejected', 'Unchanged'];
    const all = [...states, ...otherEnds.map((end) => `Finish${end}`)];
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
      for (const { functionName } of own) onTestFinished(await faults.freeze(functionName));
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
  async function stopIn(runId: string, state: string, letGo: (() => void) | undefined) {
    expect(await faults.entered(runId, state)).toBe(true);
    if (state === 'Train') await until(() => faults.trainers()[0]);
    await faults.stop(runId);
    letGo?.();
    expect(await faults.ended(runId)).toBe('ABORTED');
    await released(runId);
    expect((await standing.registry.getRun(model, runId)).status).toBe('ABORTED');
    return (await faults.stoppedIn(runId)) === state;
  }

  it('in every state, one after the other, and `slipway retry` goes on there', async () => {
    const stopped: string[] = [];
    const files = await newData({}, { broken: true });
    const freeze = (state: string | undefined) =>
      state === undefined || state === 'Train'
        ? undefined
        : faults.freeze(functionOf(state).functionName);
    let letGo = await freeze(states[0]);
    let runId = await drop(files);
    for (const [index, state] of states.entries()) {
      if (await stopIn(runId, state, letGo)) stopped.push(state);
      letGo = await freeze(states[index + 1]);
      const { code, stdout, stderr } = await laptop.cli('retry', runId, '--json');
      expect(code, stderr).toBe(0);
      runId = JSON.parse(stdout).runId;
    }
    expect(await outcomeOf(runId)).toBe('live');
    expect(stopped).toEqual(states);
    await oneVersionMore();
  });
});
