import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { defineModel } from '../../core/model/define-model.ts';
import {
  awaitQuiet,
  endRun,
  type RunControl,
  releaseRun,
  requestRun,
  retryRun,
} from '../../core/training/run-control.ts';
import { decide, type LockEvent, type RunLock, runName } from '../../core/training/run-lock.ts';
import {
  deliveredVersions,
  hyperparametersOf,
  type PlanInput,
  planTraining,
  trainingDecision,
  trainingJobName,
} from '../../core/training/training-plan.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { model, PipelineWorld, quietSeconds } from '../fakes/pipeline-world.ts';
import { memoryExecutions, memoryRunLocks, memoryRuns } from '../fakes/run-control.ts';
import {
  executionsContract,
  runLockStoreContract,
  runRecordsContract,
} from '../fakes/run-control-contract.ts';

describe('run locks in memory', () => runLockStoreContract(memoryRunLocks));
describe('executions in memory', () => executionsContract(() => memoryExecutions().port));
describe('runs in memory', () => runRecordsContract(() => memoryRuns().port));

const epoch = Date.UTC(2026, 2, 1);
const at = (second: number) => new Date(epoch + second * 1_000).toISOString();

const drop = (runId: string, settled = false): LockEvent => ({
  kind: 'requested',
  model,
  runId,
  trigger: { kind: 'drop', by: `landing/${model}/${runId}.csv` },
  settled,
  quietSeconds,
});

describe('the policy of starting runs', () => {
  /** The lock after events at seconds. */
  const lockAfter = (...events: readonly (readonly [number, LockEvent])[]) =>
    events.reduce<RunLock | undefined>(
      (lock, [second, event]) => decide(lock, event, at(second)).lock,
      undefined,
    );
  const poll = (runId: string): LockEvent => ({ kind: 'polled', runId });

  it('waits the quiet period after the last drop', () => {
    const lock = lockAfter([0, drop('a')], [20, drop('b')]);
    expect(decide(lock, poll('a'), at(49)).answer).toEqual({ outcome: 'waiting' });
    expect(decide(lock, poll('a'), at(50)).answer).toEqual({ outcome: 'settled' });
  });

  it('waits no longer than ten quiet periods, however long drops keep coming', () => {
    const drops = Array.from({ length: 40 }, (_, i) => [i * 10, drop(`d${i}`)] as const);
    const lock = lockAfter(...drops.filter(([second]) => second < 300));
    expect(decide(lock, poll('d0'), at(299)).answer).toEqual({ outcome: 'waiting' });
    expect(decide(lock, poll('d0'), at(300)).answer).toEqual({ outcome: 'settled' });
  });

  it('does not wait for what is known to be complete', () => {
    const lock = lockAfter([0, drop('a')], [5, drop('b', true)]);
    expect(decide(lock, poll('a'), at(5)).answer).toEqual({ outcome: 'settled' });
    // Events of the files that it was about may come after the word that they are all there.
    const late = decide(lock, drop('c'), at(6));
    expect(late.answer).toEqual({ outcome: 'coalesced', runId: 'a' });
    expect(decide(late.lock, poll('a'), at(7)).answer).toEqual({ outcome: 'settled' });
  });

  it('writes a burst of thousands a few times', () => {
    let lock = lockAfter([0, drop('a')]);
    let writes = 0;
    for (let i = 0; i < 5_000; i += 1) {
      const next = decide(lock, drop(`d${i}`), at(i / 200)).lock;
      if (next !== lock) writes += 1;
      lock = next;
    }
    expect(writes).toBeLessThanOrEqual(10);
  });

  it('names the next run when the first drop waits for it', () => {
    const running = lockAfter([0, drop('a')], [30, poll('a')]);
    const queued = decide(running, drop('b'), at(40));
    expect(queued.answer).toEqual({ outcome: 'queued', runId: 'b' });
    expect(decide(queued.lock, drop('c'), at(50)).answer).toEqual({
      outcome: 'queued',
      runId: 'b',
    });
    const ended = decide(
      decide(queued.lock, drop('c'), at(50)).lock,
      { kind: 'ended', runId: 'a' },
      at(60),
    );
    expect(ended.lock).toMatchObject({ runId: 'b', phase: 'quiet' });
    // A burst at the end of a run is not torn apart.
    expect(decide(ended.lock, poll('b'), at(79)).answer).toEqual({ outcome: 'waiting' });
    expect(decide(ended.lock, poll('b'), at(80)).answer).toEqual({ outcome: 'settled' });
  });

  it('lets nobody but the holder change the lock', () => {
    const lock = lockAfter([0, drop('a')]);
    for (const kind of ['polled', 'seen', 'ended'] as const) {
      expect(decide(lock, { kind, runId: 'b' }, at(99))).toEqual({
        lock,
        answer: { outcome: 'not_held' },
      });
    }
  });
});

const callsUntilKilled = fc.option(fc.nat({ max: 8 }), { nil: undefined, freq: 2 });
const which = fc.nat({ max: 5 });
type Act = (world: PipelineWorld) => Promise<void> | void;
const act = (acting: fc.Arbitrary<Act>) => acting;

/** What can happen; `eventsComeAlways` is false where events of failures may get lost for good. */
const histories = (eventsComeAlways: boolean) =>
  fc.array(
    fc.oneof(
      act(
        fc.tuple(fc.boolean(), callsUntilKilled).map(
          ([s, k]) =>
            (w) =>
              w.drop(s, k),
        ),
      ),
      act(fc.integer({ min: 1, max: 45 }).map((seconds) => (w) => w.tick(seconds))),
      act(
        fc.tuple(which, callsUntilKilled).map(
          ([i, k]) =>
            (w) =>
              w.step(i, k),
        ),
      ),
      act(
        fc.tuple(which, callsUntilKilled).map(
          ([i, k]) =>
            (w) =>
              w.step(i, k),
        ),
      ),
      act(callsUntilKilled.map((k) => (w) => w.deliverNext(k))),
      act(
        fc.tuple(which, callsUntilKilled).map(
          ([i, k]) =>
            (w) =>
              w.deliverAgain(i, k),
        ),
      ),
      act(
        fc.tuple(which, fc.boolean()).map(
          ([i, lost]) =>
            (w) =>
              w.fail(i, eventsComeAlways || !lost),
        ),
      ),
    ),
    { maxLength: 60 },
  );

async function live(world: PipelineWorld, history: readonly Act[]): Promise<void> {
  for (const happen of history) {
    await happen(world);
    expect(world.active().length).toBeLessThanOrEqual(1);
  }
}

describe('runs in any history of drops, deaths and repeated events', () => {
  it('are never two at once, and each drop is in the snapshot of the run that took it in', async () => {
    await fc.assert(
      fc.asyncProperty(histories(true), async (history) => {
        const world = new PipelineWorld();
        await live(world, history);
        await world.settle();
        for (const { id, runId } of world.drops) {
          const run = world.runs.runs.get(runId ?? '');
          const broke = run?.status === 'FAILED';
          expect(broke || world.snapshots.get(runId ?? '')?.has(id)).toBe(true);
        }
        expect(await world.locks.read(model)).toBeUndefined();
        expect([...world.runs.runs.values()].filter(({ status }) => status === 'RUNNING')).toEqual(
          [],
        );
      }),
      { numRuns: 400 },
    );
  });

  it('go on with the next drop even where the event of a failure never came', async () => {
    await fc.assert(
      fc.asyncProperty(histories(false), async (history) => {
        const world = new PipelineWorld();
        await live(world, history);
        await world.settle();
        world.tick(60);
        await world.drop(false);
        await world.settle();
        const everything = new Set(world.drops.map(({ id }) => id));
        expect([...world.snapshots.values()]).toContainEqual(everything);
        expect(await world.locks.read(model)).toBeUndefined();
      }),
      { numRuns: 200 },
    );
  });

  it('are one for all drops of a quiet period, and one more for what comes during it', async () => {
    const offsets = fc.array(fc.integer({ min: 0, max: 29 }), { minLength: 1, maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(offsets, fc.nat({ max: 4 }), async (seconds, later) => {
        const world = new PipelineWorld();
        await dropAt(world, [0, ...seconds]);
        while (world.snapshots.size === 0) {
          world.tick(5);
          await world.step(0);
        }
        for (let i = 0; i < later; i += 1) await world.drop(false);
        await world.settle();
        const burst = seconds.length + 1;
        const sizes = [...world.snapshots.values()].map(({ size }) => size);
        expect(sizes).toEqual(later > 0 ? [burst, burst + later] : [burst]);
      }),
    );
  });
});

/** Drops at seconds of the next half minute, while the run polls every five. */
async function dropAt(world: PipelineWorld, seconds: readonly number[]): Promise<void> {
  for (let now = 0; now < 30; now += 1) {
    for (const _ of seconds.filter((second) => second === now)) await world.drop(false);
    if (now % 5 === 0) await world.step(0);
    world.tick(1);
  }
}

/** The same parts, whose every call waits until the scheduler lets it through. */
function interleaved(world: PipelineWorld, scheduler: fc.Scheduler): RunControl {
  const scheduled = <Port extends object>(port: Port): Port =>
    Object.fromEntries(
      Object.entries(port).map(([name, call]) => [
        name,
        name === 'arnOf' ? call : scheduler.scheduleFunction(call),
      ]),
    ) as Port;
  const { locks, executions, runs } = world.control;
  return {
    ...world.control,
    locks: scheduled(locks),
    executions: scheduled(executions),
    runs: scheduled(runs),
  };
}

const trigger = { kind: 'drop', by: 'landing/churn/a.csv' } as const;

describe('requests at the same time', () => {
  it('start one run, in whatever order their calls fall', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 2, max: 6 }), async (scheduler, count) => {
        const world = new PipelineWorld();
        const control = interleaved(world, scheduler);
        const answers = Promise.all(
          Array.from({ length: count }, (_, i) =>
            requestRun(control, { runId: `run-${i}`, trigger, settled: false, quietSeconds }),
          ),
        );
        await scheduler.waitFor(answers);
        expect(new Set((await answers).map(({ runId }) => runId)).size).toBe(1);
        expect((await answers).filter(({ outcome }) => outcome === 'started')).toHaveLength(1);
        expect(world.executions.started.size).toBe(1);
      }),
    );
  });

  it('as the end of a run are in the next one, in whatever order their calls fall', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 4 }), async (scheduler, count) => {
        const world = new PipelineWorld();
        await requestRun(world.control, { runId: 'first', trigger, settled: true, quietSeconds });
        await awaitQuiet(world.control, 'first');
        const control = interleaved(world, scheduler);
        const requests = Array.from({ length: count }, (_, i) =>
          requestRun(control, { runId: `run-${i}`, trigger, settled: false, quietSeconds }),
        );
        // The end comes twice.
        const ends = [endRun(control, 'first'), endRun(control, 'first')];
        const all = Promise.all([...requests, ...ends]);
        await scheduler.waitFor(all);
        const names = new Set((await Promise.all(requests)).map(({ runId }) => runId));
        expect([...world.executions.started.keys()]).toEqual(['first', ...names]);
        expect(names.size).toBe(1);
      }),
    );
  });
});

describe('a retry', () => {
  const input = { snapshot: { snapshotId: 'x' }, from: 'Train', runId: 'old', trigger };
  const by = { kind: 'retry', by: 'ada' } as const;

  it('starts with the failed state’s own input under a name of its own', async () => {
    const world = new PipelineWorld();
    const answer = await retryRun(world.control, { runId: 'new', trigger: by, input });
    expect(answer).toEqual({ outcome: 'started', runId: 'new' });
    expect(world.executions.started.get('new')).toEqual({
      ...input,
      runId: 'new',
      model,
      trigger: by,
    });
    expect(await awaitQuiet(world.control, 'new')).toBe(true);
  });

  it('is busy while a run holds the lock', async () => {
    const world = new PipelineWorld();
    await requestRun(world.control, { runId: 'r1', trigger, settled: true, quietSeconds });
    const answer = await retryRun(world.control, { runId: 'new', trigger: by, input });
    expect(answer).toEqual({ outcome: 'busy', runId: 'r1' });
    expect(world.executions.started.has('new')).toBe(false);
  });

  it('refuses an input that no execution takes', async () => {
    const world = new PipelineWorld();
    const large = { ...input, note: 'x'.repeat(262_144) };
    await expect(
      retryRun(world.control, { runId: 'new', trigger: by, input: large }),
    ).rejects.toThrow(/has 26\d{4} bytes, and an execution takes 262144/);
    expect(await world.locks.read(model)).toBeUndefined();
  });
});

describe('a run that broke', () => {
  const started = async () => {
    const world = new PipelineWorld();
    await requestRun(world.control, { runId: 'r1', trigger, settled: true, quietSeconds });
    world.executions.end('r1', 'FAILED');
    return world;
  };
  const release = async (cause: string, error = 'States.TaskFailed') =>
    (await releaseRun((await started()).control, { runId: 'r1', status: 'FAILED', error, cause }))
      ?.reasons;

  it('says why in the words of a function, a training job or Step Functions', async () => {
    const thrown = JSON.stringify({
      errorType: 'X',
      errorMessage: 'row 7\nhas no label',
      trace: [],
    });
    expect(await release(thrown, 'DataError')).toEqual(['DataError: row 7', 'has no label']);
    const job = JSON.stringify({
      TrainingJobName: 'j',
      FailureReason: 'AlgorithmError: out of memory',
    });
    expect(await release(job)).toEqual(['States.TaskFailed: AlgorithmError: out of memory']);
    expect(await release('no JSON {')).toEqual(['States.TaskFailed: no JSON {']);
    expect(await release('line\n'.repeat(50))).toHaveLength(10);
  });

  it("says where the user's own code failed first, and leaves out what only carried it", async () => {
    const FailureReason = [
      "AlgorithmError: train.py:41 in fit: KeyError: 'plan'",
      '  train.py:12 in train',
      '    model = fit(data)',
      '  train.py:41 in fit',
      "    return data['plan'].mean(), exit code: 1",
    ].join('\n');
    expect(await release(JSON.stringify({ TrainingJobName: 'j', FailureReason }))).toEqual([
      "train.py:41 in fit: KeyError: 'plan'",
      '  train.py:12 in train',
      '    model = fit(data)',
      '  train.py:41 in fit',
      "    return data['plan'].mean()",
    ]);
    const alone = {
      FailureReason: 'AlgorithmError: lib/rows.py:3: SyntaxError: bad, exit code: 1',
    };
    expect(await release(JSON.stringify(alone))).toEqual(['lib/rows.py:3: SyntaxError: bad']);
    const ours = {
      FailureReason: 'AlgorithmError: HyperparameterError: max_depth: is 0, exit code: 1',
    };
    expect(await release(JSON.stringify(ours))).toEqual([
      `States.TaskFailed: ${ours.FailureReason}`,
    ]);
  });

  it('is no run of ours when somebody started the execution by hand', async () => {
    const world = await started();
    expect(
      await releaseRun(world.control, { runId: 'by-hand', status: 'ABORTED' }),
    ).toBeUndefined();
    await expect(awaitQuiet(world.control, 'by-hand')).rejects.toMatchObject({
      name: 'RunLockNotHeldError',
    });
  });
});

describe('the plan of a training', () => {
  const definition = defineModel(aModelDefinition());
  const input: PlanInput = {
    definition,
    runId: runName(definition.name, at(3_661), 'abcdef0123'),
    contentHash: 'a'.repeat(64),
    trainerSha256: 'b'.repeat(64),
    trainingImage: 'xgboost:1',
    trainingDevice: 'cpu',
    artifactsBucket: 'artifacts',
  };
  const plan = planTraining(input);

  it('has one identity for the same data, definition, code and image, whatever the run', () => {
    expect(input.runId).toBe('churn-20260301T010101-abcdef');
    const other = planTraining({ ...input, runId: 'churn-20260302T010101-ffffff' });
    expect(other).toEqual({ ...plan, trainingJobName: other.trainingJobName });
    expect(other.trainingJobName).not.toBe(plan.trainingJobName);
    for (const change of [
      { contentHash: 'c'.repeat(64) },
      { trainerSha256: 'c'.repeat(64) },
      { trainingImage: 'xgboost:2' },
      { definition: defineModel(aModelDefinition({ description: 'another' })) },
    ]) {
      expect(planTraining({ ...input, ...change }).trainingId).not.toBe(plan.trainingId);
    }
  });

  it('shares output and checkpoints between all attempts at the same training', () => {
    expect(plan.outputUri).toBe(`s3://artifacts/jobs/churn/${plan.trainingId}/`);
    expect(plan.checkpointUri).toBe(`s3://artifacts/checkpoints/churn/${plan.trainingId}/`);
  });

  it('names jobs as SageMaker takes them, for the longest name of a model', () => {
    const longest = `a${'b'.repeat(31)}`;
    const name = trainingJobName(longest, plan.trainingId, runName(longest, at(0), 'abcdef'));
    expect(name).toMatch(/^[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}$/);
    expect(name.endsWith('-abcdef')).toBe(true);
  });

  it('gives hyperparameters as texts, and adds the platform’s own', () => {
    const hyperparameters = { num_round: 10, grow_policy: 'lossguide' } as const;
    const training = { trainer: 'xgboost', hyperparameters, seed: 7 } as const;
    expect(hyperparametersOf(defineModel(aModelDefinition({ training })))).toEqual({
      num_round: '10',
      grow_policy: 'lossguide',
      trainer: 'xgboost',
      task: 'binary_classification',
      seed: '7',
      checkpoint_interval_seconds: '60',
    });
  });

  it('computes on what its image has', () => {
    expect(plan.hyperparameters).toMatchObject({ device: 'cpu' });
    const onGpu = planTraining({ ...input, trainingDevice: 'cuda' });
    expect(onGpu.hyperparameters).toEqual({ ...plan.hyperparameters, device: 'cuda' });
  });

  it('trains what is new or was never delivered, and nothing twice', () => {
    const registered = { outcome: 'registered', version: 2 } as const;
    expect(trainingDecision(undefined, [])).toBe('train');
    expect(trainingDecision({ outcome: 'reserved', version: 2 }, [])).toBe('train');
    expect(trainingDecision(registered, [1])).toBe('train');
    expect(trainingDecision(registered, [1, 2])).toBe('unchanged');
    expect(trainingDecision(registered, [1, 3])).toBe('unchanged');
    expect(trainingDecision({ outcome: 'rejected', reasons: [] }, [])).toBe('unchanged');
    const refused = { ...registered, rejection: ['worse than version 1'] };
    expect(trainingDecision(refused, [1])).toBe('unchanged');
  });

  it('is delivered once it was live or set aside, and where a person approves once it is staged', () => {
    const entry = (state: 'staged' | 'live' | 'rejected', version: number) => ({
      ...{ model: 'churn', sequence: version, state, version },
      ...{ reason: '', by: 'ada', at: '2026-01-01T00:00:00.000Z' },
    });
    const entries = [entry('live', 1), entry('rejected', 2), entry('staged', 3)];
    expect(deliveredVersions(entries, 'automatic')).toEqual([1, 2]);
    expect(deliveredVersions(entries, 'manual')).toEqual([1, 2, 3]);
  });
});
