import { describe, expect, it } from 'vitest';
import { describeWaits, waitsOf } from '../../cli/describe-waits.ts';
import { defineModel } from '../../core/model/define-model.ts';
import type { RetrainingSection } from '../../core/model/retraining-section.ts';
import { pricePerHourUsd, worstCaseUsd } from '../../core/training/instance-prices.ts';
import { retrainingPolicy } from '../../core/training/retraining-policy.ts';
import { reserve, settle, spendAt, spentUsd } from '../../core/training/training-spend.ts';
import { takeAlarm } from '../../lambdas/training/take-alarm.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { memoryRetrainingStates, memoryTrainingJobs } from '../fakes/retraining.ts';
import { retrainingStoreContract, trainingJobsContract } from '../fakes/retraining-contract.ts';
import { RetrainingWorld } from '../fakes/retraining-world.ts';

describe('retraining states in memory', () => retrainingStoreContract(memoryRetrainingStates));
describe('training jobs in memory', () =>
  trainingJobsContract(async () => {
    const { billed, port } = memoryTrainingJobs();
    const note = (seconds?: number) => async (name: string) => {
      billed.set(name, seconds);
    };
    return { jobs: port, start: note(), end: note(7) };
  }));

/** A model whose first version, of 10,000 rows, is live. */
async function aLiveModel(section: Partial<RetrainingSection> = {}, mode?: 'append' | 'replace') {
  const { data } = aModelDefinition();
  const definition = aModelDefinition({
    data: { ...data, ...(mode && { mode }) },
    retraining: { onDrop: 'collect', minimumLabelledRows: 5_000, ...section },
  });
  const world = new RetrainingWorld({
    ...retrainingPolicy(defineModel(definition)),
    worstCaseUsd: 2.3,
  });
  await world.drop(10_000);
  await world.settle();
  expect(world.trainings).toMatchObject([{ outcome: 'live' }]);
  return world;
}

const lastRun = (world: RetrainingWorld) => [...world.runs.runs.values()].at(-1);

describe('an alarm', () => {
  it('before there are labels starts no run, is kept, and the labels that make it enough do', async () => {
    const world = await aLiveModel();
    const runs = world.runs.runs.size;
    world.pass(1);
    const answer = await world.alarm('features-drifted');
    expect(answer).toMatchObject({ outcome: 'waiting', reasons: ['0 of 5,000 labels'] });
    expect(world.runs.runs.size).toBe(runs);
    await world.drop(1_204);
    await world.settle();
    expect(lastRun(world)?.outcome).toBe('collected');
    const waiting = await world.state();
    expect(waiting.retrainWanted).toMatchObject([{ kind: 'features-drifted', text: 'drift' }]);
    expect(waiting.refused?.reasons).toEqual(['1,204 of 5,000 labels']);
    const now = world.now();
    expect(describeWaits(waitsOf(waiting, now), now)).toEqual([
      '  wants a training: drift since 23:02; 1,204 of 5,000 labels',
    ]);
    const tomorrow = '2026-04-02T00:00:00.000Z';
    expect(describeWaits(waitsOf(waiting, tomorrow), tomorrow).join()).toContain(
      'drift since 2026-03-31 23:02',
    );
    await world.drop(3_796);
    for (let step = 0; step < 3; step += 1) await world.step('live');
    expect(describeWaits(waitsOf(await world.state(), now), now)).toEqual([
      '  wants a training: drift since 23:02; a training goes on',
    ]);
    await world.settle();
    expect(world.trainings).toHaveLength(2);
    expect(describeWaits(waitsOf(await world.state(), now), now)).toEqual([]);
    expect((await world.state()).refused).toBeUndefined();
  });

  it('on quality starts a run at once where enough labels are there', async () => {
    const world = await aLiveModel();
    await world.drop(6_000);
    await world.settle();
    expect(lastRun(world)?.outcome).toBe('collected');
    expect(await world.alarm('quality-dropped')).toMatchObject({ outcome: 'started' });
    expect(lastRun(world)?.trigger).toEqual({ kind: 'alarm', by: 'quality-dropped' });
    await world.settle();
    expect(world.trainings).toHaveLength(2);
  });

  it('on drift counts labels from then on, however many were there before', async () => {
    const world = await aLiveModel();
    await world.drop(6_000);
    await world.settle();
    expect(await world.alarm('features-drifted')).toMatchObject({
      reasons: ['0 of 5,000 labels'],
    });
    await world.drop(4_999);
    await world.settle();
    expect(world.trainings).toHaveLength(1);
    await world.drop(1);
    await world.settle();
    expect(world.trainings).toHaveLength(2);
  });

  it('in cooldown waits for its end, and the tick after it starts the run', async () => {
    const world = await aLiveModel({ cooldownHours: 24 });
    await world.drop(5_000);
    await world.settle();
    const answer = await world.alarm('quality-dropped');
    expect(answer).toMatchObject({
      outcome: 'waiting',
      reasons: [expect.stringMatching(/^cooldown until 2026-04-01 22:\d\d UTC$/)],
    });
    world.pass(20);
    expect(await world.look()).toMatchObject({ outcome: 'waiting' });
    world.pass(4);
    expect(await world.look()).toMatchObject({ outcome: 'started' });
    await world.settle();
    expect(world.trainings).toHaveLength(2);
  });

  it('and four more in the same hour are one execution', async () => {
    const world = await aLiveModel({ minimumLabelledRows: 1 });
    await world.drop(100);
    await world.settle();
    const runs = world.runs.runs.size;
    const alarms = ['features-drifted', 'predictions-drifted', 'quality-dropped'] as const;
    for (let i = 0; i < 5; i += 1) {
      await world.alarm(alarms[i % 3] ?? 'features-drifted');
      // The run goes on meanwhile, through its training.
      await world.step('live');
      world.pass(0.2);
    }
    await world.settle();
    expect(world.runs.runs.size).toBe(runs + 1);
    expect(world.trainings).toHaveLength(2);
  });

  it('that stays in ALARM goes off once, and the tick carries its wish until a version answers it', async () => {
    const world = await aLiveModel({ minimumLabelledRows: 100 });
    await world.alarm('features-drifted');
    for (let hour = 0; hour < 30; hour += 1) {
      expect(await world.look()).toMatchObject({ outcome: 'waiting' });
      expect(world.told).toHaveLength(hour < 24 ? 0 : 1);
      world.pass(1);
    }
    // After a day of refusals people are told, once.
    expect(world.told).toEqual([[expect.stringMatching(/^drift since /), '0 of 100 labels']]);
    await world.drop(100);
    for (let step = 0; step < 4; step += 1) await world.step('rejected');
    await world.step('rejected');
    await world.settle();
    expect(world.trainings.at(-1)?.outcome).toBe('rejected');
    expect((await world.state()).retrainWanted).toMatchObject([{ kind: 'features-drifted' }]);
    // The same rows are not trained on again.
    world.pass(24);
    expect(await world.look()).toMatchObject({ reasons: ['0 of 100 labels'] });
    await world.drop(100);
    await world.settle();
    expect(world.trainings.map(({ outcome }) => outcome)).toEqual(['live', 'rejected', 'live']);
    expect((await world.state()).retrainWanted).toEqual([]);
  });

  it('that comes twice is heard once, also after it was answered', async () => {
    const world = await aLiveModel({ minimumLabelledRows: 1 });
    await world.alarm('features-drifted');
    await world.drop(1);
    await world.settle();
    await world.alarmAgain();
    expect((await world.state()).retrainWanted).toEqual([]);
  });

  it('that the model does not name is ignored', async () => {
    const world = await aLiveModel({ alarms: ['quality-dropped'] });
    expect(await world.alarm('features-drifted')).toMatchObject({ outcome: 'ignored' });
    expect((await world.state()).retrainWanted).toEqual([]);
  });
});

describe('the budget', () => {
  it('refuses a training that may go over it, and the next month has a new one', async () => {
    const world = await aLiveModel({ minimumLabelledRows: 1, monthlyBudgetUsd: 3.9 });
    const spent = world.trainings[0]?.billedUsd ?? 0;
    expect(spent).toBeGreaterThan(1.6);
    await world.alarm('features-drifted');
    await world.drop(10, 'person');
    await world.settle();
    expect(lastRun(world)?.outcome).toBe('collected');
    expect((await world.state()).refused?.reasons).toEqual([
      `budget: ${spent.toFixed(2)} of 3.9 USD spent this month, a training may cost 2.30`,
    ]);
    world.pass(24);
    expect(await world.look()).toMatchObject({ outcome: 'started' });
  });

  it('is not got around by a person, nor by a retry', async () => {
    const world = await aLiveModel({ monthlyBudgetUsd: 3.9 });
    await world.drop(1, 'person');
    await world.settle();
    expect(world.trainings).toHaveLength(1);
    expect((await world.state()).retrainWanted).toMatchObject([{ kind: 'person' }]);

    const failing = await aLiveModel({ monthlyBudgetUsd: 4 });
    await failing.drop(1, 'person');
    for (let step = 0; step < 4; step += 1) await failing.step('failed');
    await failing.settle();
    expect(failing.trainings.at(-1)?.outcome).toBe('failed');
    await failing.retry();
    expect(failing.executions.running()).toEqual([]);
  });

  it('gets back what was set aside by a starter that died before its run began', async () => {
    const world = await aLiveModel({ monthlyBudgetUsd: 6.3 });
    await world.drop(1, 'person');
    for (let step = 0; step < 4; step += 1) await world.step('failed');
    await world.settle();
    const spent = spentUsd((await world.state()).spend, world.now());
    // Dies after it has set the money aside, before the lock is taken.
    for (let calls = 1; (await world.state()).spend.reserved.length === 0; calls += 1) {
      await world.retry(calls);
      expect(calls).toBeLessThan(20);
    }
    expect(world.executions.running()).toEqual([]);
    expect(spentUsd((await world.state()).spend, world.now())).toBeCloseTo(spent + 2.3);
    world.pass(1);
    await world.look();
    expect(spentUsd((await world.state()).spend, world.now())).toBeCloseTo(spent);
  });

  const empty = { month: '0000-00', settledUsd: 0, reserved: [] };
  const aRun = (runId: string) => ({ runId, trainingJobName: `job-${runId}`, usd: 2 });

  it('sets the worst case aside, puts what was billed in its place, each in the month it began in', () => {
    const november = '2026-11-30T23:00:00.000Z';
    const december = '2026-12-01T01:00:00.000Z';
    const two = reserve(reserve(empty, aRun('a'), november), aRun('b'), november);
    expect(spentUsd(two, november)).toBe(4);
    expect(reserve(two, aRun('a'), november)).toEqual(two);
    const one = settle(two, 'a', 0.5);
    expect(spentUsd(one, november)).toBe(2.5);
    expect(settle(one, 'a', 0.5)).toBe(one);
    const next = reserve(one, aRun('c'), december);
    expect(spentUsd(next, december)).toBe(2);
    expect(spentUsd(settle(next, 'b', 1), december)).toBe(2);
    // A clock that was set back does not bring an old month's budget back.
    expect(spentUsd(next, november)).toBe(2);
    expect(spendAt(next, november)).toBe(next);
  });

  it('reckons with the list price, or with what the model says', () => {
    const training = (changes: object) =>
      defineModel(aModelDefinition({ training: { trainer: 'xgboost', ...changes } })).training;
    expect(worstCaseUsd(training({ maxRuntimeSeconds: 1_800 }))).toBe(0.115);
    expect(pricePerHourUsd(training({ pricePerHourUsd: 0.1 }))).toBe(0.1);
    expect(worstCaseUsd(training({ instanceType: 'ml.m4.xlarge' }))).toBeUndefined();
  });
});

describe('what is dropped', () => {
  it('is trained on where the model says so, once there is enough and the cooldown is over', async () => {
    const world = await aLiveModel({ onDrop: 'train', minimumLabelledRows: 10, cooldownHours: 2 });
    await world.drop(10);
    await world.settle();
    expect(lastRun(world)?.outcome).toBe('collected');
    world.pass(2);
    expect(await world.look()).toMatchObject({ outcome: 'started' });
    expect(lastRun(world)?.trigger.kind).toBe('schedule');
  });

  it('is trained on at once when a person asks, alone or into a run that waits', async () => {
    const world = await aLiveModel({ cooldownHours: 24 });
    await world.drop(1);
    await world.drop(0, 'person');
    await world.settle();
    expect(world.trainings).toHaveLength(2);
  });

  it('is new as a whole where a file replaces the one before', async () => {
    const world = await aLiveModel({ onDrop: 'train', minimumLabelledRows: 9_000 }, 'replace');
    world.rows = 9_500;
    await world.drop(0);
    await world.settle();
    expect(world.trainings.map(({ rows }) => rows)).toEqual([10_000, 9_500]);
  });
});

describe('a failed training', () => {
  it('is tried again by itself after six hours, and at once with new labels', async () => {
    const world = await aLiveModel({ minimumLabelledRows: 100 });
    await world.alarm('features-drifted');
    await world.drop(100);
    for (let step = 0; step < 4; step += 1) await world.step('failed');
    while ((await world.state()).lastTraining?.outcome !== 'failed') await world.deliverNext();
    world.pass(5);
    expect(await world.look()).toMatchObject({
      reasons: [expect.stringMatching(/^the last attempt failed; the next one by itself at /)],
    });
    world.pass(1);
    expect(await world.look()).toMatchObject({ outcome: 'started' });
  });
});

describe('an alarm that a new version does not end', () => {
  it('asks again, though CloudWatch tells of it no second time', async () => {
    const world = await aLiveModel({ minimumLabelledRows: 100 });
    await world.alarm('features-drifted');
    await world.drop(200);
    await world.settle();
    expect(world.trainings).toHaveLength(2);
    expect(await world.look()).toEqual({ outcome: 'waiting', reasons: [] });
    world.pass(30);
    world.lasting = [{ alarm: 'features-drifted', since: world.now() }];
    expect(await world.look()).toMatchObject({ reasons: ['0 of 100 labels'] });
    expect((await world.state()).retrainWanted).toMatchObject([{ kind: 'features-drifted' }]);
    world.pass(1);
    const before = await world.state();
    await world.look();
    expect(await world.state()).toEqual(before);
    await world.drop(150);
    await world.settle();
    expect(world.trainings).toHaveLength(3);
    expect((await world.state()).retrainWanted).toEqual([]);
  });

  it('is no wish where retraining.alarms does not name it', async () => {
    const world = await aLiveModel({ alarms: ['quality-dropped'] });
    world.lasting = [{ alarm: 'features-drifted', since: world.now() }];
    expect(await world.look()).toEqual({ outcome: 'waiting', reasons: [] });
  });
});

describe('a version that is too old', () => {
  it('is replaced when there is something new to train on', async () => {
    const world = await aLiveModel({ maxAgeDays: 90, minimumLabelledRows: 100 });
    await world.drop(60);
    await world.settle();
    world.pass(24 * 89);
    expect(await world.look()).toEqual({ outcome: 'waiting', reasons: [] });
    world.pass(24);
    expect(await world.look()).toMatchObject({ reasons: ['60 of 100 labels'] });
    await world.drop(40);
    await world.settle();
    expect(world.trainings).toHaveLength(2);
    expect(await world.look()).toEqual({ outcome: 'waiting', reasons: [] });
  });

  it('is not replaced twice where it is looked at while its successor is trained', async () => {
    const world = await aLiveModel({ maxAgeDays: 90, minimumLabelledRows: 1 });
    await world.drop(60);
    await world.settle();
    world.pass(24 * 90);
    expect(await world.look()).toMatchObject({ outcome: 'started' });
    while (world.trainings.length < 2) await world.step('live');
    expect(await world.look()).toMatchObject({ outcome: 'waiting' });
    await world.settle();
    expect(world.trainings).toMatchObject([{ outcome: 'live' }, { outcome: 'live' }]);
    expect((await world.state()).retrainWanted).toEqual([]);
    await world.drop(10);
    await world.settle();
    expect(world.trainings).toHaveLength(2);
  });
});

describe("the alarms' rule", () => {
  const dimensionsOf = (model?: string): Record<string, string> => (model ? { Model: model } : {});
  const event = (alarmName: string, model?: string, value = 'ALARM') => ({
    detail: {
      alarmName,
      state: { value, timestamp: '2026-11-25T02:10:00.000+0000' },
      configuration: {
        metrics: [{ metricStat: { metric: { dimensions: dimensionsOf(model) } } }],
      },
    },
  });
  const handed = async (...args: Parameters<typeof event>) => {
    const events: unknown[] = [];
    const receivers = {
      functions: { churn: 'request-churn', 'churn-eu': 'request-churn-eu' },
      alarmPrefix: 'slipway-dev-',
      hand: async (name: string, given: object) => {
        events.push({ ...given, name });
      },
    };
    await takeAlarm(receivers, event(...args));
    return events;
  };

  it('hands an alarm to the starter of the model in its metric’s dimension', async () => {
    expect(await handed('slipway-dev-churn-eu-features-drifted', 'churn-eu')).toEqual([
      {
        name: 'request-churn-eu',
        kind: 'alarm',
        alarm: 'features-drifted',
        since: '2026-11-25T02:10:00.000Z',
      },
    ]);
  });

  it.each([
    ['of a model that there is not', 'slipway-dev-fraud-features-drifted', 'fraud'],
    ['that no training mends', 'slipway-dev-churn-latency-high', 'churn'],
    ['of another environment', 'slipway-prod-churn-features-drifted', 'churn'],
    ['whose name is another model’s', 'slipway-dev-churn-eu-features-drifted', 'churn'],
    ['without a model', 'slipway-dev-churn-features-drifted', undefined],
  ])('ignores an alarm %s', async (_, name, model) => {
    expect(await handed(name, model)).toEqual([]);
  });

  it('ignores an alarm that ends', async () => {
    expect(await handed('slipway-dev-churn-features-drifted', 'churn', 'OK')).toEqual([]);
  });
});
