import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  PutMetricAlarmCommand,
  type PutMetricAlarmCommandInput,
} from '@aws-sdk/client-cloudwatch';
import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { TableV2 } from 'aws-cdk-lib/aws-dynamodb';
import { Key } from 'aws-cdk-lib/aws-kms';
import { LayerVersion } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { beforeAll, describe, expect, it } from 'vitest';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbRetrainingState } from '../../adapters/dynamodb-retraining-state.ts';
import {
  type DynamodbVersionHealth,
  dynamodbVersionHealth,
} from '../../adapters/dynamodb-version-health.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { describeDrift } from '../../cli/commands/drift.ts';
import { canonicalJson, sha256 } from '../../core/canonical-json.ts';
import { predictionIds, sortableId } from '../../core/inference/log/prediction-id.ts';
import type { PredictionRecord } from '../../core/inference/log/prediction-record.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { DriftReport } from '../../core/monitoring/drift-report.ts';
import { edgesOf } from '../../core/registry/seal-lineage.ts';
import { emptyState, type RetrainingStore } from '../../core/training/retraining-state.ts';
import { checkDrift, type DriftPlace } from '../../lambdas/monitoring/check-drift.ts';
import { joinLabels } from '../../lambdas/monitoring/join-labels.ts';
import { DriftCheck } from '../../lib/monitoring/drift-check.ts';
import { ModelAlarms } from '../../lib/monitoring/model-alarms.ts';
import { bundleHandler } from '../../lib/runtime/bundle.ts';
import type { ModelContext } from '../../lib/runtime/model-context.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { modelVersion } from '../builders/model-version.ts';
import { parcels, referenceProfile } from '../builders/reference-profile.ts';
import { createFunction, createRole, invoke, zip } from './laptop-cloud/functions.ts';
import { clientConfig, eventually, useCloud } from './laptop-cloud/harness.ts';
import { statistic } from './laptop-cloud/metrics.ts';
import { createRegistryTable } from './registry-table.ts';

const cloud = useCloud();
const now = new Date();
const minutesAgo = (minutes: number): string =>
  new Date(now.getTime() - minutes * 60_000).toISOString();

type Row = ReturnType<typeof parcels>[number];
const score = ({ length, items }: Row): number => 1 / (1 + Math.exp(1 - length / 100 - items / 10));

const definitionOf = (name: string) =>
  defineModel(
    aModelDefinition({
      name,
      data: {
        columns: {
          parcel_id: { type: 'string' },
          length: { type: 'number' },
          items: { type: 'integer', nullable: true },
          sent: { type: 'timestamp' },
          heavy: { type: 'integer' },
        },
        label: 'heavy',
        eventTime: 'sent',
      },
      features: {
        declared: {
          length: { transform: 'numeric', column: 'length' },
          items: { transform: 'numeric', column: 'items' },
        },
      },
    }),
  );

let state: Omit<DriftPlace, 'definition' | 'health' | 'retraining'> & {
  health: DynamodbVersionHealth;
  retraining: RetrainingStore;
};
beforeAll(async () => {
  const client = new S3Client(clientConfig(cloud()));
  const bucket = async (name: string) => {
    await client.send(new CreateBucketCommand({ Bucket: name }));
    return s3Objects({ bucket: name, client });
  };
  const table = await createRegistryTable(cloud(), 'registry');
  state = {
    data: await bucket('drift-data'),
    artifacts: await bucket('drift-artifacts'),
    registry: dynamodbRegistry(table),
    ledger: dynamodbLedger(table),
    health: dynamodbVersionHealth(table),
    retraining: dynamodbRetrainingState(table),
  };
});

/** A live version, with or without a profile. */
async function aLiveModel(model: string, profiled = true): Promise<DriftPlace> {
  const { record } = modelVersion(1, { weights: [0, 0], bias: 0 }, model);
  const text = canonicalJson(referenceProfile(score, model));
  const content = { sha256: sha256(text), bytes: Buffer.byteLength(text) };
  const artifacts = { ...record.artifacts, ...(profiled && { 'profile.json': content }) };
  await state.artifacts.put(`${record.artifactsPrefix}profile.json`, text);
  const { runId, trainingId } = record;
  const startedAt = minutesAgo(600);
  const trigger = { kind: 'drop', by: 'test' } as const;
  await state.registry.putRun({ model, runId, trigger, status: 'RUNNING', reasons: [], startedAt });
  await state.registry.reserveVersion(model, trainingId);
  const version = { ...record, artifacts };
  await state.registry.registerVersion(version, edgesOf(version));
  const entry = { model, version: 1, reason: 'test', by: 'test', at: minutesAgo(500) };
  await state.ledger.append({ ...entry, state: 'live' });
  return { ...state, definition: definitionOf(model) };
}

const recordOf = (
  model: string,
  row: Row,
  changes: Partial<PredictionRecord>,
): PredictionRecord => ({
  predictionId: 'p',
  requestId: 'r',
  model,
  version: 1,
  predictedAt: minutesAgo(60),
  entityKey: null,
  inputs: { ...row },
  features: { ...row },
  prediction: score(row),
  latencyMs: 1,
  ...changes,
});

let files = 0;
/** Writes predictions as the stream does, into the folder of their hour; answers their ids. */
async function logged(
  model: string,
  rows: readonly Row[],
  changes: Partial<PredictionRecord> = {},
): Promise<string[]> {
  const ids = predictionIds({ model, version: 1 }, sortableId(now.getTime()), rows.length);
  const records = rows.map((row, i) =>
    recordOf(model, row, { predictionId: ids[i] ?? '', ...changes }),
  );
  const [date, time = ''] = (changes.predictedAt ?? minutesAgo(60)).split('T');
  files += 1;
  await state.data.put(
    `predictions/${model}/dt=${date}/hour=${time.slice(0, 2)}/${files}`,
    records.map((record) => `${JSON.stringify(record)}\n`).join(''),
  );
  return ids;
}

const longer = (rows: readonly Row[]): Row[] =>
  rows.map((row) => ({ ...row, length: row.length + 80 }));

async function checked(place: DriftPlace): Promise<DriftReport> {
  const result = await checkDrift(place, now);
  if (result.outcome !== 'checked') throw new Error(`the check says ${result.outcome}`);
  const report = DriftReport.parse(await place.data.getJson(result.reportKey));
  expect(result).toMatchObject({ status: report.status, drifted: report.drifted });
  return report;
}

describe('a drift check', () => {
  it('is quiet about rows like those of the training', async () => {
    const place = await aLiveModel('quiet');
    await logged('quiet', parcels(1_200));
    const report = await checked(place);
    expect(report).toMatchObject({
      status: 'ok',
      version: 1,
      rows: 1_200,
      unreadable: 0,
      drifted: [],
      prediction: { status: 'ok' },
      quality: { status: 'insufficient_data', labels: 0, predictions: 1_200, coverage: 0 },
    });
    expect(report.worst?.psi).toBeLessThan(0.05);
  });

  it('names what moved, and shows it to people', async () => {
    const place = await aLiveModel('moved');
    await logged('moved', longer(parcels(1_200)));
    const report = await checked(place);
    expect(report).toMatchObject({
      status: 'drifted',
      drifted: ['length'],
      worst: { feature: 'length' },
      prediction: { status: 'drifted' },
    });
    const lines = describeDrift(report).join('\n');
    expect(lines).toMatch(/^moved v1: drifted \(length\)$/m);
    expect(lines).toMatch(/^length +drifted +\d\.\d{4}/m);
    expect(lines).toMatch(/^items +ok/m);
    expect(lines).toMatch(/^ {2}length: .* → /m);
  });

  it('counts the live version’s predictions of the window, and nothing else', async () => {
    const place = await aLiveModel('window');
    await logged('window', parcels(700));
    await logged('window', longer(parcels(900)), { version: 2 });
    await logged('window', longer(parcels(900)), { predictedAt: minutesAgo(24 * 60 + 5) });
    await logged('window', longer(parcels(900)), { predictedAt: minutesAgo(-5) });
    const [date, time = ''] = minutesAgo(60).split('T');
    const folder = `predictions/window/dt=${date}/hour=${time.slice(0, 2)}`;
    await place.data.put(`${folder}/torn`, '{"predictionId": "p", "req\n{}\nnull\n');
    const report = await checked(place);
    expect(report).toMatchObject({ status: 'ok', rows: 700, unreadable: 3 });
  });

  it('never says ok of too few rows', async () => {
    const place = await aLiveModel('few');
    expect(await checked(place)).toMatchObject({ status: 'insufficient_data', rows: 0 });
    await logged('few', longer(parcels(499)));
    expect(await checked(place)).toMatchObject({
      status: 'insufficient_data',
      rows: 499,
      worst: null,
      prediction: { status: 'insufficient_data' },
    });
  });

  it('has nothing to compare with before a version is live, or where it has no profile', async () => {
    const place = { ...state, definition: definitionOf('nothing-live') };
    expect(await checkDrift(place, now)).toEqual({ outcome: 'no_live_version' });
    const old = await aLiveModel('before-profiles', false);
    expect(await checkDrift(old, now)).toEqual({ outcome: 'no_profile' });
  });

  it('refuses a profile that is not the one that was registered', async () => {
    const place = await aLiveModel('forged');
    const forged = canonicalJson(referenceProfile(() => 0.5, 'forged'));
    await place.artifacts.put('models/forged/1/profile.json', forged);
    await expect(checkDrift(place, now)).rejects.toThrow(
      expect.objectContaining({ name: 'ArtifactCorruptedError' }),
    );
  });
});

/** A value of a template, with the references to what the test made by hand. */
function resolved(value: unknown, references: Readonly<Record<string, string>>): unknown {
  if (Array.isArray(value)) return value.map((item) => resolved(item, references));
  if (typeof value !== 'object' || value === null) return value;
  if ('Ref' in value) return references[String(value.Ref)] ?? 'unknown';
  if ('Fn::GetAtt' in value) {
    const [id] = value['Fn::GetAtt'] as string[];
    const known = Object.entries(references).find(([start]) => id?.startsWith(start));
    return known?.[1] ?? 'arn:aws:sqs:us-east-1:000000000000:unknown';
  }
  if ('Fn::Join' in value) {
    const [between, parts] = value['Fn::Join'] as [string, unknown[]];
    return parts.map((part) => resolved(part, references)).join(between);
  }
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [key, resolved(inner, references)]),
  );
}

/** The alarms of a model, and what its function may do, as they are deployed. */
function deployed(name: string) {
  const stack = new Stack(new App(), 'Drift', { env: { region: 'us-east-1' } });
  const layer = (id: string) =>
    LayerVersion.fromLayerVersionArn(stack, id, `arn:aws:lambda:::${id}`);
  const context: ModelContext = {
    model: definitionOf(name),
    data: Bucket.fromBucketName(stack, 'Data', 'drift-data'),
    artifacts: Bucket.fromBucketName(stack, 'Artifacts', 'drift-artifacts'),
    registry: TableV2.fromTableName(stack, 'Registry', 'registry'),
    notifications: { news: new Topic(stack, 'News'), pages: new Topic(stack, 'Pages') },
    notificationsKey: new Key(stack, 'Key'),
    deadLetters: new Queue(stack, 'DeadLetters'),
    onnxruntime: layer('onnx'),
    duckdb: layer('duckdb'),
    logRetention: RetentionDays.ONE_WEEK,
    pipelineMemoryMb: 3_008,
    cpu: 'x64',
  };
  const { checkDrift } = new DriftCheck(stack, 'Drift', { ...context, driftCheckMinutes: 1 });
  new ModelAlarms(stack, 'Alarms', {
    ...context,
    driftCheckMinutes: 1,
    alarmPeriodMinutes: 1,
    alarmPrefix: 'slipway-test',
    predict: checkDrift,
  });
  const template = Template.fromStack(stack);
  const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm')).map(
    ({ Properties: { AlarmActions: _, OKActions: __, ...alarm } }): PutMetricAlarmCommandInput => ({
      ...alarm,
      AlarmName: `${name}-${alarm.MetricName}`,
    }),
  );
  const policy = Object.entries(template.findResources('AWS::IAM::Policy')).find(([id]) =>
    id.startsWith('DriftCheckDriftRole'),
  );
  const statements = resolved(policy?.[1]['Properties'].PolicyDocument.Statement, {
    'AWS::Partition': 'aws',
    'AWS::Region': 'us-east-1',
    'AWS::AccountId': '000000000000',
    DriftCheckDriftLogs: `arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/${name}:*`,
  });
  return { alarms, statements: statements as object[] };
}

describe('the scheduled function', () => {
  const period = 10;
  const put = (alarm: PutMetricAlarmCommandInput) =>
    new CloudWatchClient(clientConfig(cloud())).send(
      new PutMetricAlarmCommand({ ...alarm, Period: period }),
    );
  const stateOf = async (name: string): Promise<string | undefined> => {
    const { MetricAlarms = [] } = await new CloudWatchClient(clientConfig(cloud())).send(
      new DescribeAlarmsCommand({ AlarmNames: [name] }),
    );
    return MetricAlarms[0]?.StateValue;
  };

  const check = (model: string) => invoke(cloud(), model, { time: new Date().toISOString() });
  const measured = (model: string, metric: string) =>
    statistic(cloud(), ['Slipway', metric], { Model: model }, 'Maximum');

  /** A model's check with the rights that it is deployed with, and its alarm on a metric. */
  async function deployCheck(model: string, metric: string): Promise<void> {
    const folder = bundleHandler('monitoring/check-drift', definitionOf(model));
    const { alarms, statements } = deployed(model);
    for (const alarm of alarms) {
      if (alarm.MetricName === metric) await put(alarm);
    }
    // The bundle as it is deployed, beside the model's definition.
    const files = ['index.js', 'model.json'].map((file) => [
      file,
      readFileSync(join(folder, file), 'utf8'),
    ]);
    await createFunction(cloud(), model, '', {
      Code: { ZipFile: zip(Object.fromEntries(files)) },
      Timeout: 60,
      Role: await createRole(cloud(), `check-${model}`, statements),
      Environment: {
        Variables: {
          MODEL_NAME: model,
          REGISTRY_TABLE: 'registry',
          DATA_BUCKET: 'drift-data',
          ARTIFACTS_BUCKET: 'drift-artifacts',
        },
      },
    });
  }

  it('measures what it found, with the rights it is deployed with; two drifted checks of three raise the alarm of this model alone', async () => {
    for (const model of ['drifting', 'calm']) {
      await aLiveModel(model);
      await logged(model, model === 'drifting' ? longer(parcels(1_000)) : parcels(1_000));
      await deployCheck(model, 'DriftedFeatures');
    }
    expect((await check('drifting')).payload).toMatchObject({ status: 'drifted', rows: 1_000 });
    expect((await check('calm')).payload).toMatchObject({ status: 'ok', rows: 1_000 });
    const drifted = (model: string) => measured(model, 'DriftedFeatures');
    await eventually(async () => ((await drifted('drifting')) === 1 ? true : undefined));
    await eventually(async () => ((await drifted('calm')) === 0 ? true : undefined));
    expect(await stateOf('drifting-DriftedFeatures')).not.toBe('ALARM');

    await eventually(async () => {
      await check('drifting');
      await check('calm');
      return (await stateOf('drifting-DriftedFeatures')) === 'ALARM' ? true : undefined;
    });
    expect(await stateOf('calm-DriftedFeatures')).not.toBe('ALARM');
    expect(await measured('drifting', 'WorstFeaturePsi')).toBeGreaterThan(0.2);
  });

  it('raises the alarm on quality where labels say that answers were wrong, and of no other model', async () => {
    const spend = { month: now.toISOString().slice(0, 7), settledUsd: 1.25, reserved: [] };
    await state.retraining.replace('right', undefined, { ...emptyState('right'), spend });
    for (const model of ['wrong', 'right']) {
      await aLiveModel(model);
      const ids = await logged(model, parcels(1_000));
      const heavy = ({ length }: Row) => Number(model === 'right' ? length > 100 : length <= 100);
      const labels = parcels(800).map((row, i) => `${ids[i]},${heavy(row)}\n`);
      const name = `labels/${model}/files/weighed.csv`;
      await state.data.put(name, `prediction_id,heavy\n${labels.join('')}`);
      const soon = new Date(Date.now() + 1_000);
      expect(await joinLabels(state.data, definitionOf(model), soon)).toMatchObject({
        matched: 800,
        invalid: 0,
      });
      await deployCheck(model, 'QualityDrop');
    }
    expect((await check('wrong')).payload).toMatchObject({ status: 'ok', quality: 'dropped' });
    expect((await check('right')).payload).toMatchObject({ status: 'ok', quality: 'ok' });
    await eventually(async () => {
      await check('wrong');
      await check('right');
      return (await stateOf('wrong-QualityDrop')) === 'ALARM' ? true : undefined;
    });
    expect(await stateOf('right-QualityDrop')).not.toBe('ALARM');
    expect(await measured('wrong', 'QualityDrop')).toBeGreaterThan(0.5);
    expect(await measured('right', 'QualityDrop')).toBe(0);
    expect(await measured('right', 'LabelCoverage')).toBe(0.8);
    expect(await measured('right', 'MonthToDateCostUsd')).toBe(1.25);
    expect(await measured('wrong', 'MonthToDateCostUsd')).toBe(0);
    const { health } = state;
    expect((await health.find('wrong', 1))?.records.at(-1)).toMatchObject({
      answered: true,
      healthy: false,
      reason: expect.stringContaining('worse by'),
      alarms: expect.arrayContaining(['quality-dropped']),
    });
    const right = (await health.find('right', 1))?.records.at(-1);
    expect(right).toMatchObject({ healthy: true });
    expect(right?.alarms).not.toContain('quality-dropped');
  });
});
