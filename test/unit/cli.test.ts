import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HistoryEvent } from '@aws-sdk/client-sfn';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { baseUrlOf } from '../../cli/api-client.ts';
import { CommandError, describeError } from '../../cli/command-error.ts';
import { describeLabels } from '../../cli/commands/labels.ts';
import { versionNamed } from '../../cli/commands/lineage.ts';
import { parseInstant } from '../../cli/commands/live.ts';
import { modelOfHints } from '../../cli/commands/local.ts';
import { artifactOf, sizeText } from '../../cli/commands/models.ts';
import { entrance } from '../../cli/commands/retry.ts';
import { confirmAnswer, type Expected } from '../../cli/confirm-answer.ts';
import { resumedFrom, roundsIn } from '../../cli/demo/interruption.ts';
import { cut, inParallel, percentile } from '../../cli/demo/traffic.ts';
import { metricLine, nextCommands } from '../../cli/describe-version.ts';
import { checkFiles } from '../../cli/drop-files.ts';
import { enteredStates, failureOf, secondsPerState } from '../../cli/execution-history.ts';
import { readableCause } from '../../cli/failure-logs.ts';
import { follow, type RunTraces } from '../../cli/follow-run.ts';
import {
  announceLaptop,
  announceStart,
  chooseLaptop,
  type RunningLaptop,
  runningLaptops,
  startingLaptops,
} from '../../cli/laptop-file.ts';
import { drawTree } from '../../cli/lineage.ts';
import { program } from '../../cli/program.ts';
import {
  describeQuarantined,
  quarantineReports,
  readQuarantined,
} from '../../cli/quarantined-files.ts';
import { exitCodeOf, modelOfRun } from '../../cli/runs.ts';
import { sampleInstance } from '../../cli/sample-instance.ts';
import { columns, inStep } from '../../cli/terminal.ts';
import type { FeatureSpec } from '../../core/features/feature-spec.ts';
import type { Signature } from '../../core/inference/signature.ts';
import type { ModelVersion, Run } from '../../core/registry/records.ts';
import type { RunLock } from '../../core/training/run-lock.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'slipway-cli-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const laptop = (port: number, pid = process.pid): RunningLaptop => ({
  port,
  pid,
  startedAt: '2026-01-01T00:00:00.000Z',
  endpoint: `http://127.0.0.1:${port}`,
  env: {},
  identity: {
    issuer: 'http://127.0.0.1:1',
    audience: 'slipway',
    tokenUrl: 'http://127.0.0.1:1/token',
    clientId: 'a',
    clientSecret: 'b',
  },
  logFile: 'cloud.log',
  dashboardUrl: 'http://127.0.0.1:2/',
});

describe('finding the laptop cloud', () => {
  it('takes the only one that runs', () => {
    expect(chooseLaptop([laptop(4001)]).port).toBe(4001);
  });

  it('wants one of several to be named, and lists them', () => {
    expect(() => chooseLaptop([laptop(4001), laptop(4002)])).toThrow(/4001, 4002.*--cloud/);
    expect(chooseLaptop([laptop(4001), laptop(4002)], '4002').port).toBe(4002);
  });

  it('says how to start one where there is none, and which there are where another was named', () => {
    expect(() => chooseLaptop([])).toThrow(/start one with `slipway local`/);
    expect(() => chooseLaptop([laptop(4001)], '5')).toThrow(/port 5; there is one on 4001/);
  });

  it('says that one is on its way, and nothing of one that was killed while it started', () => {
    const takeBack = announceStart(process.pid, folder);
    announceStart(2 ** 22 + 1, folder);
    const starting = startingLaptops(folder);
    expect(starting.map(({ pid }) => pid)).toEqual([process.pid]);
    expect(runningLaptops(folder)).toEqual([]);
    expect(() => chooseLaptop([], undefined, starting)).toThrow(
      `is starting since ${starting[0]?.startedAt}; wait`,
    );
    expect(chooseLaptop([laptop(4001)], undefined, starting).port).toBe(4001);
    takeBack();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is announced in a file for this user alone, gone when taken back', () => {
    const takeBack = announceLaptop(laptop(4001), folder);
    expect(statSync(join(folder, '4001.json')).mode & 0o777).toBe(0o600);
    expect(runningLaptops(folder)).toEqual([laptop(4001)]);
    takeBack();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('sweeps away what a killed one left', () => {
    // Linux and macOS give process ids far below this one.
    announceLaptop(laptop(4001, 2 ** 30), folder);
    announceLaptop(laptop(4002), folder);
    expect(runningLaptops(folder).map(({ port }) => port)).toEqual([4002]);
    expect(readdirSync(folder)).toEqual(['4002.json']);
  });
});

describe('the command line', () => {
  const commands = program().commands;

  it('has the commands that the platform promises', () => {
    expect(commands.map((command) => command.name()).sort()).toEqual([
      'approve',
      'batch',
      'compare',
      'demo',
      'deploy',
      'doctor',
      'download',
      'drift',
      'drop',
      'import',
      'init',
      'labels',
      'lineage',
      'live',
      'local',
      'logs',
      'models',
      'openapi',
      'parity',
      'predict',
      'proxy',
      'prune',
      'reject',
      'retire',
      'retry',
      'rollback',
      'status',
      'stream',
      'test',
      'token',
      'train',
      'why',
    ]);
  });

  it.each([
    ['train flight-delay --sample many', /--sample is "many"; give it a whole number of rows/],
    ['train flight-delay --sample 0', /--sample is "0"/],
    ['train flight-delay --sample 10 --wait', /--wait follows a run of the pipeline/],
    [
      'train flight-dely --sample 10',
      /there is no model 'flight-dely' in .*; there is .*flight-delay/,
    ],
    ['train flight-delay --sample 10 --data none.csv', /there is no file .*none\.csv/],
    ['test flight-delay', /there is no .*test_\*\.py; write one/],
    ['deploy flight-dely', /there is no model 'flight-dely'/],
  ])('`%s` says what is wrong and how to mend it', async (line, message) => {
    const told = program().parseAsync(line.split(' '), { from: 'user' });
    await expect(told).rejects.toThrow(message);
    await expect(told).rejects.toMatchObject({ exitCode: 2 });
  });

  it.each(commands.map((command) => [command.name(), command] as const))(
    '%s has --json and shows two examples of itself',
    (name, command) => {
      let help = '';
      command.configureOutput({
        writeOut: (text) => {
          help += text;
        },
      });
      command.outputHelp();
      expect(command.options.map(({ long }) => long)).toContain('--json');
      const examples = help.split('\n').filter((line) => line.includes('$ slipway '));
      expect(examples.length).toBe(2);
      for (const example of examples) expect(example).toContain(`slipway ${name}`);
    },
  );

  it.each(commands.map((command) => [command.name(), command] as const))(
    '%s parses its own examples',
    async (_, command) => {
      let help = '';
      command.configureOutput({
        writeOut: (text) => {
          help += text;
        },
        writeErr: () => undefined,
      });
      command.outputHelp();
      const examples = help.matchAll(/\$ slipway (\S+)(.*)/g);
      for (const [, , rest = ''] of examples) {
        const words = [...rest.matchAll(/'([^']*)'|(\S+)/g)].map(
          ([, quoted, bare]) => quoted ?? bare ?? '',
        );
        command.action(() => undefined);
        await expect(command.parseAsync(words, { from: 'user' })).resolves.toBeDefined();
      }
    },
  );

  it('documents its exit codes', () => {
    let help = '';
    const slipway = program().configureOutput({
      writeOut: (text) => {
        help += text;
      },
    });
    slipway.outputHelp();
    for (const code of [0, 1, 2, 3, 4, 5])
      expect(help).toMatch(new RegExp(`^ {2}${code} {2}\\S`, 'm'));
  });
});

describe('what went live', () => {
  /** Replies come one after the other; time passes only while it is waited. */
  async function confirm(replies: (version: number) => string | undefined, expected: Expected) {
    let now = 0;
    let asked = 0;
    const told: string[] = [];
    const api = {
      baseUrl: '',
      post: () => Promise.reject(new Error('nothing is posted')),
      get: async () => {
        asked += 1;
        const version = replies(asked);
        const body =
          version === undefined ? { error: 'model m is retired' } : { model_version: version };
        return { status: version === undefined ? 404 : 200, body, headers: new Headers() };
      },
    };
    const clock = {
      now: () => now,
      sleep: async (ms: number) => {
        now += ms;
      },
    };
    const terminal = { note: (text: string) => told.push(text) };
    const reporting = { lines: ['done'], terminal };
    const confirmed = await confirmAnswer(async () => api, 'm', expected, reporting, clock).catch(
      (error: unknown) => error,
    );
    return { confirmed, told };
  }

  it('is confirmed only after every replica must have read the ledger, and none said otherwise', async () => {
    // Of three at once, one answers with what it knew before until the fifth round.
    const { confirmed, told } = await confirm((n) => (n % 3 === 0 && n < 15 ? '1' : '2'), {
      version: 2,
    });
    expect(confirmed).toEqual({ firstSeconds: 0, seconds: 2, requests: 63 });
    expect(told).toEqual([]);
    expect(await confirm(() => undefined, { retired: true })).toMatchObject({
      confirmed: { seconds: 2 },
    });
  });

  it('is told with what was done where the API does not confirm it', async () => {
    const { confirmed, told } = await confirm((n) => (n % 3 === 0 ? '1' : '2'), { version: 2 });
    expect(confirmed).toMatchObject({
      name: 'CommandError',
      message: expect.stringContaining('did not confirm it: 200 {"model_version":"1"}'),
    });
    expect(told).toEqual(['done']);
  });
});

describe('files to drop', () => {
  it('are refused with the fix when missing, of another format or of equal names', () => {
    const file = (name: string) => {
      const path = join(folder, name);
      writeFileSync(path, 'a\n1\n');
      return path;
    };
    expect(() => checkFiles([join(folder, 'none.csv')])).toThrow(/there is no file .*none\.csv/);
    expect(() => checkFiles([file('a.xlsx')])).toThrow(/unknown format; files end in \.csv/);
    expect(() => checkFiles([file('a.csv'), join(folder, '.', 'a.csv')])).toThrow(/named a\.csv/);
    expect(() => checkFiles([file('a.json')])).toThrow(/unknown format/);
    expect(() => checkFiles([file('a.csv'), file('b.parquet'), file('c.CSV.gz')])).not.toThrow();
  });
});

const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));
const entered = (name: string, second: number, type = 'Task', input = '{}'): HistoryEvent =>
  ({
    type: `${type}StateEntered`,
    timestamp: at(second),
    stateEnteredEventDetails: { name, input },
  }) as HistoryEvent;
const exited = (name: string, second: number): HistoryEvent =>
  ({
    type: 'TaskStateExited',
    timestamp: at(second),
    stateExitedEventDetails: { name },
  }) as HistoryEvent;

describe('files of labels', () => {
  it('are told of by matched, unmatched and invalid rows, with what is wrong', () => {
    const report = {
      ...{ model: 'churn', key: 'labels/churn/files/a.csv', sha256: '0'.repeat(64) },
      ...{ receivedAt: '2026-01-01T00:00:00.000Z', rows: 5, matched: 2, unmatched: 1, invalid: 2 },
      problems: [
        { message: 'left must be one of 0, 1', count: 2, examples: [{ row: 4, value: 7 }] },
      ],
      notTrainedOn: null,
    };
    expect(describeLabels(report)).toEqual([
      'labels/churn/files/a.csv: 5 rows: 2 matched, 1 unmatched, 2 invalid',
      '  2 rows, first in row 4: left must be one of 0, 1',
      '  unmatched labels are kept, and joined when their predictions have come to the log',
    ]);
    const message = 'the file is empty';
    const unreadable = { rows: null, matched: 0, unmatched: 0, invalid: 0, notTrainedOn: 'why' };
    const problems = [{ message, count: 1, examples: [] }];
    expect(describeLabels({ ...report, ...unreadable, problems })).toEqual([
      'labels/churn/files/a.csv: could not be read',
      '  the file is empty',
      '  they are not trained on: why',
    ]);
  });
});

describe("an execution's history", () => {
  const history = [
    entered('EnterAt', 0, 'Choice'),
    entered('AwaitQuiet', 0),
    exited('AwaitQuiet', 1),
    entered('WaitForQuiet', 1, 'Wait'),
    exited('WaitForQuiet', 6),
    entered('AwaitQuiet', 6),
    exited('AwaitQuiet', 8),
    entered('Train', 8, 'Task', '{"plan":{"trainingJobName":"job-1"}}'),
    { type: 'TaskFailed', timestamp: at(20), taskFailedEventDetails: { error: 'E', cause: 'c' } },
    { type: 'ExecutionFailed', timestamp: at(20), executionFailedEventDetails: { error: 'E' } },
  ] as HistoryEvent[];

  it('tells the seconds of each state, all its visits together', () => {
    expect([...secondsPerState(enteredStates(history))]).toEqual([
      ['AwaitQuiet', 3],
      ['WaitForQuiet', 5],
    ]);
  });

  it('tells the failed state with its own input, error and cause', () => {
    expect(failureOf(history)).toMatchObject({
      state: { name: 'Train', input: '{"plan":{"trainingJobName":"job-1"}}' },
      error: 'E',
      cause: 'c',
    });
  });

  it('knows no failure where a task failed and was repeated with success', () => {
    const repeated = [
      entered('TakeSnapshot', 0),
      { type: 'TaskFailed', timestamp: at(1), taskFailedEventDetails: { error: 'E' } },
      exited('TakeSnapshot', 3),
      { type: 'ExecutionSucceeded', timestamp: at(3) },
    ] as HistoryEvent[];
    expect(failureOf(repeated)).toBeUndefined();
  });
});

describe('a retry', () => {
  const states = enteredStates([
    entered('AwaitQuiet', 0),
    entered('IsQuiet', 1, 'Choice'),
    entered('WaitForQuiet', 1, 'Wait'),
  ]);

  it('goes on at the step that failed, or at the one before a wait that was stopped', () => {
    expect(entrance(states.slice(0, 1), states[0], undefined).name).toBe('AwaitQuiet');
    expect(entrance(states, states[2], undefined).name).toBe('AwaitQuiet');
  });

  it('goes on at the named step, and nowhere else', () => {
    expect(entrance(states, states[2], 'AwaitQuiet').name).toBe('AwaitQuiet');
    expect(() => entrance(states, states[2], 'IsQuiet')).toThrow(/it entered AwaitQuiet/);
  });

  it('is refused where the run did not fail, or came to no step', () => {
    expect(() => entrance(states, undefined, undefined)).toThrow(/no step .* failed.*AwaitQuiet/);
    const unknown = enteredStates([entered('UnknownState', 0, 'Fail')]);
    expect(() => entrance(unknown, unknown[0], undefined)).toThrow(/`slipway train`/);
  });
});

describe('a cause', () => {
  it("is shown as a function's whole stack, a job's reason or as it is", () => {
    const thrown = {
      errorType: 'XError',
      errorMessage: 'm',
      trace: ['XError: m', '    at f (a:1)'],
    };
    expect(readableCause(JSON.stringify(thrown))).toEqual(['XError: m', '    at f (a:1)']);
    const job = { FailureReason: 'Traceback\n  line' };
    expect(readableCause(JSON.stringify(job))).toEqual(['Traceback', '  line']);
    expect(readableCause('no JSON')).toEqual(['no JSON']);
  });
});

describe('what a run means for the caller', () => {
  const run: Omit<Run, 'status'> = {
    model: 'm',
    runId: 'r',
    trigger: { kind: 'person', by: 'p' },
    reasons: [],
    startedAt: '2026-01-01T00:00:00.000Z',
  };

  it.each([
    ['live', 0],
    ['unchanged', 0],
    ['collected', 0],
    ['no_data', 1],
    ['rejected', 3],
    ['quarantined', 4],
    ['awaiting_approval', 5],
  ] as const)('%s is exit code %i', (outcome, code) => {
    expect(exitCodeOf({ ...run, status: 'SUCCEEDED', outcome })).toBe(code);
  });

  it.each(['FAILED', 'TIMED_OUT', 'ABORTED'] as const)('%s is exit code 1', (status) => {
    expect(exitCodeOf({ ...run, status })).toBe(1);
  });

  it("finds the model in a run's name, dashes included", () => {
    expect(modelOfRun('flight-delay-20260101T000000-0a1b2c')).toBe('flight-delay');
    expect(() => modelOfRun('flight-delay')).toThrow(/is not a run/);
  });
});

describe('files in quarantine', () => {
  const file = (name: string, findings: object[]) => ({
    key: `landing/churn/${name}`,
    versionId: 'v',
    sha256: 'ab'.repeat(32),
    bytes: 9,
    rows: 2,
    findings,
  });
  const finding = {
    rule: 'minimum',
    column: 'age',
    count: 3,
    message: 'at least 0',
    examples: [{ row: 7, value: -1 }],
  };
  const report = {
    model: 'churn',
    snapshotId: 'cd'.repeat(32),
    manifestKey: 'm',
    outcome: 'invalid',
    files: [file('good.csv', []), file('bad.csv', [finding])],
  };
  const deployment = (documents: Record<string, unknown>) =>
    ({ data: { getJson: async (key: string) => documents[key] } }) as never;

  it('are found in the history of a run that went on with the others', () => {
    const told = (reportKey: string) => JSON.stringify({ quarantine: { reportKey } });
    const states = enteredStates([
      entered('TakeSnapshot', 0),
      entered('QuarantineFiles', 1),
      entered('TakeSnapshot', 2, 'Task', told('r1')),
      entered('QuarantineFiles', 3, 'Task', told('r1')),
      entered('TakeSnapshot', 4, 'Task', told('r2')),
      entered('FinishLive', 5, 'Task', told('r2')),
    ]);
    expect(quarantineReports(states)).toEqual(['r1', 'r2']);
    expect(quarantineReports(states.slice(0, 2))).toEqual([]);
  });

  it('are told of with where they are and what is wrong in them', async () => {
    const files = await readQuarantined(deployment({ r1: report }), ['r1']);
    expect(files).toMatchObject([
      { key: 'landing/churn/bad.csv', quarantineKey: 'quarantine/churn/abababababab-bad.csv' },
    ]);
    expect(describeQuarantined(files)).toEqual([
      '  1 file was invalid and is in quarantine; correct and drop again:',
      '  landing/churn/bad.csv → quarantine/churn/abababababab-bad.csv',
      '    row 7, value -1 and 2 more: column age, rule minimum: at least 0',
    ]);
  });

  it('are not spoken of where there are none', async () => {
    expect(describeQuarantined(await readQuarantined(deployment({}), []))).toEqual([]);
  });
});

describe('a version that went live', () => {
  const metrics = { sha256: '0'.repeat(64), primary: 'auc', value: 0.84432, baseline: 0.5 };

  it('is told with its metric, what it is held against, and what to do with it', () => {
    expect(metricLine(metrics)).toEqual(['  auc 0.8443 on the holdout; baseline 0.5']);
    expect(metricLine({ ...metrics, production: 0.83 })).toEqual([
      '  auc 0.8443 on the holdout; baseline 0.5; live before 0.83',
    ]);
    expect(metricLine(undefined)).toEqual([]);
    const next = nextCommands('churn', 'prod').join('\n');
    expect(next).toContain('npx slipway predict churn --example --env prod');
    expect(next).toContain('npx slipway parity churn <predictions.csv> --data <file> --env prod');
    expect(nextCommands('churn', 'local').join()).not.toContain('--env');
  });

  it('has hints about the own model where there are others than the example', () => {
    expect(modelOfHints(['flight-delay', 'strikes'])).toBe('strikes');
    expect(modelOfHints(['flight-delay'])).toBe('flight-delay');
    expect(modelOfHints([])).toBe('<model>');
  });
});

describe('a reader that has seen enough', () => {
  it('ends nothing with a stack', async () => {
    const slipway = join(import.meta.dirname, '..', '..', 'bin', 'slipway.ts');
    const child = spawn(process.execPath, [slipway, 'drop', '--help']);
    child.stdout.destroy();
    let errors = '';
    child.stderr.on('data', (text) => {
      errors += text;
    });
    const [code] = await once(child, 'close');
    expect({ code, errors }).toEqual({ code: 0, errors: '' });
  }, 30_000);
});

describe('following a run', () => {
  const runId = 'm-20260101T000000-0a1b2c';
  const before = 'm-20260101T000000-000000';
  const run: Run = {
    model: 'm',
    runId,
    trigger: { kind: 'person', by: 'p' },
    status: 'SUCCEEDED',
    outcome: 'live',
    reasons: [],
    startedAt: '2026-01-01T00:00:00.000Z',
  };
  const next = { runId } as RunLock['next'];
  const waiting = { runId: before, next } as RunLock;

  /** A world that changes with the seconds, and how it ended when. */
  async function following(world: {
    run?: (second: number) => Run | undefined;
    lock?: (second: number) => RunLock | undefined;
    status?: (id: string, second: number) => string | undefined;
  }) {
    let second = 0;
    const traces: RunTraces = {
      run: async () => world.run?.(second),
      lock: async () => world.lock?.(second),
      execution: (id) => ({
        history: async () => [],
        status: async () => world.status?.(id, second),
      }),
      tell: async () => undefined,
    };
    const clock = {
      now: () => second * 1_000,
      sleep: async () => {
        second += 1;
      },
    };
    const end = await follow(traces, runId, 1_000, clock).then(
      (followed) => followed.run.status,
      (error: Error) => error.message,
    );
    return { end, second };
  }

  it('ends with the run', async () => {
    const status = (_: string, second: number) =>
      second < 2 ? undefined : second < 300 ? 'RUNNING' : 'SUCCEEDED';
    const { end, second } = await following({ run: () => run, status });
    expect([end, second]).toEqual(['SUCCEEDED', 300]);
  });

  it('waits as long as the run before it goes on', async () => {
    const { end, second } = await following({
      run: (now) => (now < 500 ? undefined : run),
      lock: (now) => (now < 500 ? waiting : undefined),
      status: (id, now) => {
        if (id === before) return now < 450 ? 'RUNNING' : 'SUCCEEDED';
        return now < 500 ? undefined : 'SUCCEEDED';
      },
    });
    expect([end, second]).toEqual(['SUCCEEDED', 500]);
  });

  it.each([
    ['nothing knows of it', {}],
    [
      'it is recorded and was never started',
      { run: () => ({ ...run, status: 'RUNNING' as const }) },
    ],
    [
      'the run before it broke unheard',
      { lock: () => waiting, status: (id: string) => (id === before ? 'FAILED' : undefined) },
    ],
    ['the run before it is not there', { lock: () => waiting }],
  ])('gives up with advice where %s', async (_, world) => {
    const { end, second } = await following(world);
    expect(end).toMatch(/has not started for 60 s.*`slipway train m --wait`/);
    expect(second).toBe(61);
  });
});

describe('arguments', () => {
  it('take a version by number or by the id of a prediction', () => {
    const id = `flight-delay-v12-${'0'.repeat(32)}-3`;
    expect(versionNamed('flight-delay', 'v3')).toBe(3);
    expect(versionNamed('flight-delay', id)).toBe(12);
    expect(() => versionNamed('other', id)).toThrow(/one of flight-delay, not of other/);
    expect(() => versionNamed('flight-delay', 'latest')).toThrow(/neither a version/);
  });

  it('take times in UTC unless they name a zone', () => {
    expect(parseInstant('2026-01-31T12:00:00')).toBe('2026-01-31T12:00:00.000Z');
    expect(parseInstant('2026-01-31T12:00:00+02:00')).toBe('2026-01-31T10:00:00.000Z');
    expect(parseInstant('2026-01-31')).toBe('2026-01-31T00:00:00.000Z');
    expect(() => parseInstant('yesterday')).toThrow(/is not a time/);
  });
});

describe('the address of the API', () => {
  const url = 'https://abcd1234.execute-api.us-east-1.amazonaws.com/live';
  const parameter = () => url;

  it('is what the stack says, on AWS', () => {
    expect(baseUrlOf({ parameter, laptop: undefined })).toBe(url);
  });

  it("is the laptop cloud's own port, there", () => {
    expect(baseUrlOf({ parameter, laptop: laptop(4001) })).toBe(
      'http://127.0.0.1:4001/_aws/execute-api/abcd1234/live',
    );
  });
});

describe('an example instance', () => {
  const column = { nullable: false, sensitive: false };
  const feature = { columnType: 'number', kind: 'numeric', transform: 'numeric' } as const;
  const signature: Signature = {
    model: 'm',
    task: 'regression',
    inputs: [
      { ...column, name: 'origin', type: 'string' },
      { ...column, name: 'distance', type: 'number', minimum: 100, maximum: 300 },
      { ...column, name: 'weight', type: 'number', minimum: 100, maximum: 300 },
      { ...column, name: 'date', type: 'timestamp' },
      { ...column, name: 'kind', type: 'integer', allowed: [4, 5] },
    ],
    passthrough: [],
    runtime: 'onnx',
    tensor: { input: 'features', output: 'prediction', datatype: 'FP32', width: 2 },
  };
  const spec: FeatureSpec = {
    model: 'm',
    specHash: '',
    input: 'features',
    features: [
      {
        name: 'origin',
        transform: 'categorical',
        column: 'origin',
        columnType: 'string',
        kind: 'categorical',
        vocabulary: ['JFK', 'LGA'],
      },
      { ...feature, name: 'distance', column: 'distance' },
    ],
  };

  it('has the values of a row the model was trained on, and allowed ones where it cannot know', () => {
    const input = { data: [null, 150, 1, 187], shape: [2, 2] as [number, number] };
    expect(sampleInstance(signature, spec, { input }, at(0))).toEqual({
      origin: 'LGA',
      distance: 187,
      weight: 200,
      date: '2026-01-01T00:00:00Z',
      kind: 4,
    });
  });

  it('brings its key and its times along, and nothing else that the model does not read', () => {
    const passthrough: Signature['passthrough'] = [
      { ...column, name: 'flight_id', type: 'string' },
      { ...column, name: 'departed_at', type: 'timestamp' },
      { ...column, name: 'carrier', type: 'string' },
    ];
    const keyed = { ...signature, passthrough, entityKey: 'flight_id' };
    const instance = sampleInstance(
      keyed,
      spec,
      { input: { data: [0, 187], shape: [1, 2] } },
      at(0),
    );
    expect(instance).toMatchObject({ flight_id: 'example', departed_at: '2026-01-01T00:00:00Z' });
    expect(instance).not.toHaveProperty('carrier');
  });
});

describe('what people read', () => {
  it('has aligned columns and no trailing blanks', () => {
    expect(
      columns([
        ['a', 'long'],
        ['bbb', ''],
        ['c', 'd'],
      ]).at(1),
    ).toBe('bbb');
    expect(
      columns([
        ['a', 'b'],
        ['ccc', 'd'],
      ]),
    ).toHaveLength(2);
    expect(
      columns([
        ['a', 'b'],
        ['ccc', 'd'],
      ]).at(1),
    ).toBe('ccc  d');
  });

  it('draws a tree', () => {
    expect(
      drawTree([
        'root',
        [
          ['a', [['b', []]]],
          ['c', []],
        ],
      ]),
    ).toEqual(['root', '├─ a', '│  └─ b', '└─ c']);
  });

  it('gives errors of the cloud in one line with the fix', () => {
    const refused = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    expect(describeError(refused)).toMatch(/is `slipway local` still running\?/);
    expect(describeError(new Error('Region is missing'))).toMatch(/set AWS_REGION/);
    expect(describeError(new CommandError('plain'))).toBe('plain');
  });
});

describe("the demo's traffic", () => {
  it('sends every row once, in order, in requests of 1 to 50 rows, the same for the same seed', () => {
    fc.assert(
      fc.property(fc.nat(2_000), fc.nat(), (rows, seed) => {
        const items = Array.from({ length: rows }, (_, i) => i);
        const pieces = cut(items, 50, seed);
        expect(pieces.flat()).toEqual(items);
        expect(pieces.every(({ length }) => length >= 1 && length <= 50)).toBe(true);
        expect(cut(items, 50, seed)).toEqual(pieces);
      }),
    );
  });

  it('has at most so many requests under way, and stops at the first failure', async () => {
    let under = 0;
    let most = 0;
    const done: number[] = [];
    await inParallel([...Array(40).keys()], 4, async (item) => {
      under += 1;
      most = Math.max(most, under);
      await new Promise((resolve) => setImmediate(resolve));
      under -= 1;
      done.push(item);
    });
    expect(most).toBe(4);
    expect(done.sort((a, b) => a - b)).toEqual([...Array(40).keys()]);
    const begun: number[] = [];
    const failing = inParallel([...Array(40).keys()], 2, async (item) => {
      begun.push(item);
      if (item === 3) throw new Error('stop');
      await new Promise((resolve) => setImmediate(resolve));
    });
    await expect(failing).rejects.toThrow('stop');
    await new Promise((resolve) => setImmediate(resolve));
    expect(begun.length).toBeLessThan(8);
  });

  it('takes percentiles as the nearest rank', () => {
    const values = [15, 20, 35, 40, 50];
    expect([0.05, 0.3, 0.4, 0.5, 1].map((share) => percentile(values, share))).toEqual([
      15, 20, 20, 35, 50,
    ]);
  });

  it("finds the rounds in a trainer's log", () => {
    const killed = ['training on 9 rows', '[1] train-logloss=0.6;', 'checkpoint written: round 7'];
    const next = ['resumed from checkpoint: round 7', '[10] train-logloss=0.5;'];
    expect(roundsIn(killed)).toEqual([1, 7]);
    expect(resumedFrom(killed)).toBeUndefined();
    expect(resumedFrom(next)).toBe(7);
  });
});

describe('a long piece of work', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('is told every 10 s while it goes on, and no more when it has failed', async () => {
    const lines: string[] = [];
    const terminal = { note: (line: string) => lines.push(line) };
    let fail: (reason: Error) => void = () => undefined;
    const work = inStep(terminal, 'building', () => new Promise((_, reject) => (fail = reject)));
    await vi.advanceTimersByTimeAsync(25_000);
    expect(lines).toEqual(['  building …', '  building … 10 s', '  building … 20 s']);
    fail(new Error('no'));
    await expect(work).rejects.toThrow('no');
    await vi.advanceTimersByTimeAsync(60_000);
    expect(lines).toHaveLength(3);
    await inStep(terminal, 'deploying', async () => vi.advanceTimersByTime(1_500));
    expect(lines.slice(3)).toEqual(['  deploying …', '  deploying: 1.5 s']);
  });
});

describe('the size of a version', () => {
  const hash = 'a'.repeat(64);
  const sizeWith = (artifacts: ModelVersion['artifacts']) =>
    sizeText({ artifact: artifactOf({ artifacts }) });

  it('is of its graph or of its container, in the unit that fits', () => {
    const profile = { sha256: hash, bytes: 9_999_999 };
    const of = (bytes: number) => ({ sha256: hash, bytes });
    expect(sizeWith({ 'profile.json': profile, 'model.onnx': of(7_120) })).toBe('7.1 kB');
    expect(sizeWith({ 'profile.json': profile, 'model.tar.gz': of(3_240_000) })).toBe('3.2 MB');
    expect(sizeWith({ 'profile.json': profile })).toBe('unknown');
  });
});
