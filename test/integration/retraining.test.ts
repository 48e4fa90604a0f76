// From a metric that breaches to a run: CloudWatch's alarm, the environment's one rule, the function that takes it
// and the model's one starter, each with the rights that it is deployed with.
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { SFNClient } from '@aws-sdk/client-sfn';
import { App, Duration, Stack } from 'aws-cdk-lib';
import { Alarm, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { AttributeType, TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Key } from 'aws-cdk-lib/aws-kms';
import { LayerVersion } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { DefinitionBody, StateMachine, Wait, WaitTime } from 'aws-cdk-lib/aws-stepfunctions';
import { beforeAll, describe, expect, it } from 'vitest';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbRetrainingState } from '../../adapters/dynamodb-retraining-state.ts';
import { dynamodbRunLock } from '../../adapters/dynamodb-run-lock.ts';
import { stepfunctionsExecutions } from '../../adapters/stepfunctions-executions.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { edgesOf } from '../../core/registry/seal-lineage.ts';
import { emptyState, type RetrainingState } from '../../core/training/retraining-state.ts';
import type { ModelContext } from '../../lib/runtime/model-context.ts';
import { AlarmRule, type ModelStarter } from '../../lib/training/alarm-rule.ts';
import { RunControl } from '../../lib/training/run-control.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { modelVersion } from '../builders/model-version.ts';
import { clientConfig, eventually, useCloud } from './laptop-cloud/harness.ts';

const limitMs = 180_000;
const cloud = useCloud();
/** enough: rows that no training has seen are there · none: they are not · other: nothing happens to it. */
const models = ['enough', 'none', 'other'] as const;
const drift = { alarm: 'features-drifted', metric: 'DriftedFeatures' };
/** A drift waits for labels that come after it; a lower quality does not. */
const alarmOf = {
  enough: { alarm: 'quality-dropped', metric: 'QualityDrop' },
  none: drift,
  other: drift,
} as const;
const tableName = 'retraining';
const period = Duration.seconds(10);

const definitionOf = (name: string) =>
  defineModel(
    aModelDefinition({ name, retraining: { onDrop: 'collect', minimumLabelledRows: 100 } }),
  );

/** The one starter of a model, before a pipeline that only holds, and an alarm on a metric of the model. */
function modelOf(
  stack: Stack,
  name: (typeof models)[number],
  shared: Omit<ModelContext, 'model'>,
): ModelStarter {
  const stateMachineName = `slipway-test-${name}`;
  const hold = new Wait(stack, `Hold-${name}`, { time: WaitTime.duration(Duration.hours(1)) });
  new StateMachine(stack, `Machine-${name}`, {
    stateMachineName,
    definitionBody: DefinitionBody.fromChainable(hold),
  });
  const arn = (kind: string, rest = '') =>
    `arn:aws:states:${cloud().region}:${cloud().accountId}:${kind}:${stateMachineName}${rest}`;
  const { requestRun } = new RunControl(stack, `Control-${name}`, {
    ...shared,
    model: definitionOf(name),
    stateMachineName,
    stateMachineArn: arn('stateMachine'),
    executionsArn: arn('execution', ':*'),
    quietPeriodSeconds: 0,
    environment: 'test',
    lineage: 'any',
    driftCheckMinutes: 1,
  });
  new Alarm(stack, `Alarm-${name}`, {
    alarmName: `${stateMachineName}-${alarmOf[name].alarm}`,
    metric: new Metric({
      namespace: 'Slipway',
      metricName: alarmOf[name].metric,
      dimensionsMap: { Model: name },
      statistic: 'Maximum',
      period,
    }),
    threshold: 1,
    evaluationPeriods: 1,
    treatMissingData: TreatMissingData.IGNORE,
  });
  return { model: name, requestRun };
}

async function deploy(): Promise<void> {
  const outdir = join(cloud().folder, 'assembly');
  const app = new App({ outdir, analyticsReporting: false });
  const stack = new Stack(app, 'Slipway-test', {
    env: { region: cloud().region, account: cloud().accountId },
  });
  const deadLetters = new Queue(stack, 'DeadLetters');
  const layer = (id: string) =>
    LayerVersion.fromLayerVersionArn(stack, id, `arn:aws:lambda:us-east-1:1:layer:${id}:1`);
  const shared = {
    data: new Bucket(stack, 'Data'),
    artifacts: new Bucket(stack, 'Artifacts'),
    registry: new TableV2(stack, 'Table', {
      tableName,
      partitionKey: { name: 'pk', type: AttributeType.STRING },
      sortKey: { name: 'sk', type: AttributeType.STRING },
    }),
    notifications: { news: new Topic(stack, 'News'), pages: new Topic(stack, 'Pages') },
    notificationsKey: new Key(stack, 'Key'),
    deadLetters,
    onnxruntime: layer('onnx'),
    duckdb: layer('duckdb'),
    logRetention: RetentionDays.ONE_WEEK,
    pipelineMemoryMb: 3_008,
    cpu: 'x64' as const,
  };
  new AlarmRule(stack, 'AlarmRule', {
    environment: 'test',
    starters: models.map((name) => modelOf(stack, name, shared)),
    deadLetters,
    logRetention: RetentionDays.ONE_WEEK,
  });
  app.synth();
  await cdk('bootstrap', `aws://${cloud().accountId}/${cloud().region}`, '--app', '');
  await cdk('deploy', '--app', outdir, '--require-approval', 'never');
}

async function cdk(...args: string[]): Promise<void> {
  const cli = join(import.meta.dirname, '../../node_modules/aws-cdk/bin/cdk');
  const env = {
    PATH: process.env['PATH'],
    HOME: cloud().folder,
    CDK_DISABLE_CLI_TELEMETRY: 'true',
  };
  await promisify(execFile)(process.execPath, [cli, ...args, '--no-notices', '--ci'], {
    cwd: cloud().folder,
    env: { ...env, ...cloud().env },
  });
}

const table = () => ({ tableName, client: new DynamoDBClient(clientConfig(cloud())) });
const stateOf = async (model: string) =>
  (await dynamodbRetrainingState(table()).read(model))?.state;
const lockOf = async (model: string) => (await dynamodbRunLock(table()).read(model))?.lock;

/** A model whose version 1 is live and was trained on 1,000 rows; `rows` are collected. */
async function aLiveModel(model: string, rows: number): Promise<void> {
  const { record } = modelVersion(1, { weights: [0, 0], bias: 0 }, model);
  const { runId, trainingId } = record;
  const startedAt = new Date(Date.now() - 3_600_000).toISOString();
  const registry = dynamodbRegistry(table());
  const trigger = { kind: 'drop', by: 'test' } as const;
  await registry.putRun({ model, runId, trigger, status: 'RUNNING', reasons: [], startedAt });
  await registry.reserveVersion(model, trainingId);
  await registry.registerVersion(record, edgesOf(record));
  const entry = { model, version: 1, reason: 'test', by: 'test', at: startedAt };
  await dynamodbLedger(table()).append({ ...entry, state: 'live' });
  const trained = { trainingId, rows: 1_000 };
  const collected = { trainingId: rows > 1_000 ? 'f'.repeat(64) : trainingId, rows, runId };
  const state: RetrainingState = {
    ...emptyState(model),
    collected,
    judged: trained,
    lastTraining: { ...trained, runId, at: startedAt, outcome: 'live' },
  };
  await dynamodbRetrainingState(table()).replace(model, undefined, state);
}

const measure = (model: (typeof models)[number], Value: number) =>
  new CloudWatchClient(clientConfig(cloud())).send(
    new PutMetricDataCommand({
      Namespace: 'Slipway',
      MetricData: [
        {
          MetricName: alarmOf[model].metric,
          Value,
          Dimensions: [{ Name: 'Model', Value: model }],
        },
      ],
    }),
  );

beforeAll(async () => {
  await deploy();
  await aLiveModel('enough', 1_100);
  await aLiveModel('none', 1_000);
  await aLiveModel('other', 1_100);
}, limitMs);

describe('a metric that breaches', () => {
  it('starts one run of its own model where there is enough to train on, and of no other', {
    timeout: limitMs,
  }, async () => {
    await measure('other', 0);
    await measure('enough', 2);
    const lock = await eventually(() => lockOf('enough'));
    expect(lock.trigger).toEqual({ kind: 'alarm', by: 'quality-dropped' });
    const executions = stepfunctionsExecutions({
      stateMachineArn: `arn:aws:states:${cloud().region}:${cloud().accountId}:stateMachine:slipway-test-enough`,
      client: new SFNClient(clientConfig(cloud())),
    });
    const execution = await eventually(() => executions.find(lock.runId));
    expect(execution.status).toBe('RUNNING');
    expect(await eventually(async () => (await stateOf('enough'))?.asked)).toMatchObject({
      runId: lock.runId,
    });
    expect((await stateOf('enough'))?.retrainWanted).toMatchObject([
      { kind: 'quality-dropped', rowsBefore: 0 },
    ]);
    expect((await stateOf('other'))?.retrainWanted).toEqual([]);
    expect(await lockOf('other')).toBeUndefined();
    expect(await dynamodbRegistry(table()).listRuns('enough')).toHaveLength(2);
  });

  it('is remembered where labels are still to come, and the run starts at the tick after they came', {
    timeout: limitMs,
  }, async () => {
    await measure('none', 1);
    const waiting = await eventually(async () => {
      const state = await stateOf('none');
      return state?.refused && state;
    });
    expect(waiting.refused?.reasons).toEqual(['0 of 100 labels']);
    expect(waiting.retrainWanted).toMatchObject([{ kind: 'features-drifted' }]);
    expect(await lockOf('none')).toBeUndefined();

    // What a run notes that takes in 100 labels more.
    const store = dynamodbRetrainingState(table());
    const collected = { trainingId: 'e'.repeat(64), rows: 1_100, runId: 'labels' };
    await eventually(async () => {
      const held = await store.read('none');
      if (!held) throw new Error('the state is gone');
      const changed = await store.replace('none', held, { ...held.state, collected });
      return changed || undefined;
    });
    // The schedule of its own stack ticks once a minute.
    const lock = await eventually(() => lockOf('none'));
    expect(lock.trigger).toEqual({ kind: 'schedule', by: 'retraining policy' });
  });
});
