import { CreateBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { SageMakerClient, StopTrainingJobCommand } from '@aws-sdk/client-sagemaker';
import { CreateStateMachineCommand, SFNClient, StopExecutionCommand } from '@aws-sdk/client-sfn';
import { CreateTopicCommand, SNSClient, SubscribeCommand } from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { beforeAll, describe, expect, it } from 'vitest';
import { type DynamodbLedger, dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { type DynamodbRegistry, dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbRetrainingState } from '../../adapters/dynamodb-retraining-state.ts';
import { dynamodbRunLock } from '../../adapters/dynamodb-run-lock.ts';
import {
  type DynamodbVersionHealth,
  dynamodbVersionHealth,
} from '../../adapters/dynamodb-version-health.ts';
import { type S3Objects, s3Objects } from '../../adapters/s3-objects.ts';
import { type SagemakerEndpoints, sagemakerEndpoints } from '../../adapters/sagemaker-endpoints.ts';
import { sagemakerTrainingJobs } from '../../adapters/sagemaker-training-jobs.ts';
import { type Notifications, snsNotifications } from '../../adapters/sns-notifications.ts';
import { stepfunctionsExecutions } from '../../adapters/stepfunctions-executions.ts';
import { defineModel } from '../../core/model/define-model.ts';
import type { RetrainingControl, TrainingJobs } from '../../core/training/retraining-control.ts';
import type { RetrainingStore } from '../../core/training/retraining-state.ts';
import { awaitQuiet, type Executions, type RunLockStore } from '../../core/training/run-control.ts';
import { registerVersion } from '../../lambdas/registry/register-version.ts';
import { retrainingControl } from '../../lambdas/training/connect-run-control.ts';
import { finishRun } from '../../lambdas/training/finish-run.ts';
import { decideTraining } from '../../lambdas/training/plan-training.ts';
import { retirementOf } from '../../lambdas/training/refuse-retired.ts';
import { releaseBrokenRun } from '../../lambdas/training/release-run.ts';
import { takeRequest } from '../../lambdas/training/request-run.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { retrainingStoreContract, trainingJobsContract } from '../fakes/retraining-contract.ts';
import {
  executionsContract,
  runLockStoreContract,
  runRecordsContract,
} from '../fakes/run-control-contract.ts';
import { putCandidate, trainerSha256, trainingImage } from './candidate.ts';
import { clientConfig, eventually, useCloud } from './laptop-cloud/harness.ts';
import { TrainingBench } from './laptop-cloud/training-jobs.ts';
import { createRegistryTable } from './registry-table.ts';

const cloud = useCloud();
let locks: RunLockStore;
let registry: DynamodbRegistry;
let ledger: DynamodbLedger;
let health: DynamodbVersionHealth;
let executions: Executions;
let store: RetrainingStore;
let jobs: TrainingJobs;
let data: S3Objects;
let artifacts: S3Objects;
let endpoints: SagemakerEndpoints;
let notifications: Notifications;
let inbox: () => Promise<{ Subject: string; Message: string }>;
let pager: typeof inbox;

/** A pipeline whose executions go on until they are stopped. */
async function endlessPipeline(client: SFNClient): Promise<string> {
  const { stateMachineArn = '' } = await client.send(
    new CreateStateMachineCommand({
      name: 'pipeline',
      roleArn: 'arn:aws:iam::000000000000:role/pipeline',
      definition: JSON.stringify({
        StartAt: 'Hold',
        States: { Hold: { Type: 'Wait', Seconds: 3_600, End: true } },
      }),
    }),
  );
  return stateMachineArn;
}

const policyFor = (queueArn: string) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'sns.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: queueArn,
    },
  ],
});

/** The topic's messages, one by one. */
async function subscribe(
  sns: SNSClient,
  topicArn: string,
  QueueName: string,
): Promise<typeof inbox> {
  const sqs = new SQSClient(clientConfig(cloud()));
  const { QueueUrl = '' } = await sqs.send(new CreateQueueCommand({ QueueName }));
  const { Attributes } = await sqs.send(
    new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
  );
  const QueueArn = Attributes?.['QueueArn'] ?? '';
  await sqs.send(
    new SetQueueAttributesCommand({
      QueueUrl,
      Attributes: { Policy: JSON.stringify(policyFor(QueueArn)) },
    }),
  );
  await sns.send(
    new SubscribeCommand({
      TopicArn: topicArn,
      Protocol: 'sqs',
      Endpoint: QueueArn,
    }),
  );
  return () =>
    eventually(async () => {
      const { Messages: [message] = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl }));
      if (!message) return undefined;
      const { ReceiptHandle } = message;
      await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      return JSON.parse(message.Body ?? '{}');
    });
}

let bench: TrainingBench | undefined;
let stop: (runId: string) => Promise<unknown>;
beforeAll(async () => {
  const table = await createRegistryTable(cloud(), 'training');
  [locks, registry, ledger, health] = [
    dynamodbRunLock(table),
    dynamodbRegistry(table),
    dynamodbLedger(table),
    dynamodbVersionHealth(table),
  ];
  const sfn = new SFNClient(clientConfig(cloud()));
  executions = stepfunctionsExecutions({
    stateMachineArn: await endlessPipeline(sfn),
    client: sfn,
  });
  stop = (runId) =>
    sfn.send(new StopExecutionCommand({ executionArn: executions.arnOf(runId), cause: 'enough' }));
  store = dynamodbRetrainingState(table);
  const sagemaker = new SageMakerClient(clientConfig(cloud()));
  jobs = sagemakerTrainingJobs({ client: sagemaker });
  endpoints = sagemakerEndpoints({ client: sagemaker });
  const s3 = new S3Client(clientConfig(cloud()));
  for (const Bucket of ['training-data', 'training-artifacts']) {
    await s3.send(new CreateBucketCommand({ Bucket }));
  }
  data = s3Objects({ bucket: 'training-data', client: s3 });
  artifacts = s3Objects({ bucket: 'training-artifacts', client: s3 });
  const sns = new SNSClient(clientConfig(cloud()));
  const topic = async (Name: string): Promise<string> =>
    (await sns.send(new CreateTopicCommand({ Name }))).TopicArn ?? '';
  const [newsTopicArn, pagesTopicArn] = [await topic('news'), await topic('pages')];
  inbox = await subscribe(sns, newsTopicArn, 'inbox');
  pager = await subscribe(sns, pagesTopicArn, 'pager');
  notifications = snsNotifications({ newsTopicArn, pagesTopicArn, client: sns });
});

describe('run locks in the table', () => runLockStoreContract(() => locks));
describe('executions of Step Functions', () => executionsContract(() => executions));
describe('runs in the table', () => runRecordsContract(() => registry));
describe('training jobs of SageMaker', () =>
  trainingJobsContract(async () => {
    bench ??= await new TrainingBench(cloud()).open();
    const { sagemaker } = bench;
    const done = new Set(['Completed', 'Failed', 'Stopped']);
    return {
      jobs,
      start: async (name) => {
        await bench?.start(name, 'time.sleep(600)');
        const isTraining = async () =>
          (await bench?.describe(name))?.SecondaryStatus === 'Training' || undefined;
        await eventually(isTraining);
      },
      end: async (name) => {
        await sagemaker.send(new StopTrainingJobCommand({ TrainingJobName: name }));
        await eventually(
          async () => done.has((await bench?.describe(name))?.TrainingJobStatus ?? '') || undefined,
        );
      },
    };
  }));
describe('retraining states in the table', () => retrainingStoreContract(() => store));

const retrainingOf = (model: string): RetrainingControl =>
  retrainingControl({
    definition: defineModel(aModelDefinition({ name: model })),
    ...{ locks, executions, registry, ledger, health, store, jobs, notifications },
    now: () => new Date().toISOString(),
  });

/** Asks for a run, and has one that takes the request in. */
async function ask(
  retraining: RetrainingControl,
  quietSeconds: number,
  request: Parameters<typeof takeRequest>[2],
) {
  const { outcome, runId } = await takeRequest(retraining, quietSeconds, request);
  if (runId === undefined) throw new Error(`no run takes the request in: ${outcome}`);
  return { outcome, runId };
}
const drop = (model: string, file: number) =>
  ({ kind: 'drop', key: `landing/${model}/${file}.csv` }) as const;
const person = { kind: 'person', by: 'ada', settled: true } as const;

/** A candidate of a run that holds the lock, ready to be registered. */
async function aTrainedRun(model: string, seed = 1) {
  const retraining = retrainingOf(model);
  const { control } = retraining;
  const { runId } = await ask(retraining, 30, person);
  await awaitQuiet(control, runId);
  const candidate = await putCandidate({ data, artifacts }, { model, seed, runId });
  const { definition, event } = candidate;
  const plan = (deployed = definition) =>
    decideTraining(
      { registry, ledger, store, locks, now: control.now },
      {
        definition: deployed,
        runId,
        contentHash: candidate.contentHash,
        rows: 1_000,
        trainerSha256,
        trainingImage,
        trainingDevice: 'cpu',
        artifactsBucket: artifacts.bucket,
      },
    );
  const place = {
    definition,
    data,
    artifacts,
    registry,
    health,
    trainerSha256,
    trainingImage,
    now: control.now,
  };
  const finish = (outcome: 'live' | 'rejected' | 'unchanged', reasons: string[] = []) =>
    finishRun(
      { control, registry, ledger, endpoints, data, artifacts, health, notifications, store },
      { runId, outcome, reasons, trainingId: event.trainingId },
    );
  return { control, retraining, runId, event, plan, place, finish };
}

const leftovers = async (model: string) => [
  ...(await artifacts.list(`jobs/${model}/`)),
  ...(await artifacts.list(`checkpoints/${model}/`)),
];

describe('the one starter', () => {
  it('starts one run for ten drops at once, and the next for the eleventh during it', async () => {
    const retraining = retrainingOf('burst');
    const { control } = retraining;
    const burst = await Promise.all(
      Array.from({ length: 10 }, (_, file) => ask(retraining, 1, drop('burst', file))),
    );
    const [runId = ''] = new Set(burst.map((answer) => answer.runId));
    expect(burst.filter(({ runId: other }) => other !== runId)).toEqual([]);
    expect(burst.filter(({ outcome }) => outcome === 'started')).toHaveLength(1);
    await eventually(async () => (await awaitQuiet(control, runId)) || undefined);

    const eleventh = await ask(retraining, 1, drop('burst', 10));
    expect(eleventh).toEqual({ outcome: 'queued', runId: expect.not.stringMatching(runId) });
    expect(await executions.find(eleventh.runId)).toBeUndefined();
    const parts = {
      control,
      registry,
      ledger,
      endpoints,
      data,
      artifacts,
      health,
      notifications,
      store,
    };
    const event = { runId, outcome: 'no_data', reasons: [] } as const;
    expect(await finishRun(parts, { ...event, reasons: [] })).toMatchObject({
      nextRunId: eleventh.runId,
    });
    expect(await executions.find(eleventh.runId)).toMatchObject({ status: 'RUNNING' });
    expect((await registry.listRuns('burst')).map(({ status }) => status).toSorted()).toEqual([
      'RUNNING',
      'SUCCEEDED',
    ]);
  });

  it('starts what a killed starter left unstarted', async () => {
    const retraining = retrainingOf('killed');
    const { control } = retraining;
    const dying = { ...executions, start: () => Promise.reject(new Error('killed')) };
    await expect(
      takeRequest({ ...retraining, control: { ...control, executions: dying } }, 30, person),
    ).rejects.toThrow('killed');
    const again = await ask(retraining, 30, person);
    expect(again.outcome).toBe('coalesced');
    expect(await executions.find(again.runId)).toMatchObject({ status: 'RUNNING' });
  });

  it('goes on with a broken run under a new name, and trains under a new job’s name', async () => {
    const retraining = retrainingOf('retried');

    const input = {
      runId: 'retried-20260301T000000-0000aa',
      plan: { trainingId: 'f'.repeat(64), trainingJobName: 'retried-ffffffff-0000aa' },
    };
    const retry = { kind: 'retry', by: 'ada', from: 'Train', input } as const;
    const { outcome, runId } = await ask(retraining, 30, retry);
    expect(outcome).toBe('started');
    expect((await locks.read('retried'))?.lock.input).toEqual({
      model: 'retried',
      runId,
      from: 'Train',
      trigger: { kind: 'retry', by: 'ada' },
      plan: { ...input.plan, trainingJobName: `retried-ffffffff-${runId.slice(-6)}` },
    });
    expect(await ask(retraining, 30, retry)).toEqual({ outcome: 'busy', runId });
  });
});

describe('the same data once more', () => {
  it('is trained on where a hyperparameter was changed meanwhile, and not where nothing was', async () => {
    const first = await aTrainedRun('tuned');
    await first.plan();
    const version = await registerVersion(first.place, first.event);
    const entry = { model: 'tuned', version, reason: '', by: 'pipeline', at: first.control.now() };
    await ledger.append({ ...entry, state: 'live', runId: first.runId });
    await first.finish('live');
    // All tests here read one inbox, each its own messages.
    expect((await inbox()).Subject).toMatch(/^tuned: version .* is live$/);

    const second = await aTrainedRun('tuned');
    expect((await second.plan()).decision).toBe('unchanged');
    await second.finish('unchanged');

    const third = await aTrainedRun('tuned');
    const { definition } = third.place;
    const { training } = definition;
    if (training.trainer !== 'xgboost') throw new Error(`the candidate is of ${training.trainer}`);
    const hyperparameters = { ...training.hyperparameters, num_round: 20 };
    const tuned = { ...definition, training: { ...training, hyperparameters } };
    const planned = await third.plan(tuned);
    expect(planned).toMatchObject({ decision: 'train', hyperparameters: { num_round: '20' } });
    expect(planned.trainingId).not.toBe(first.event.trainingId);
  });
});

describe('the end of a run', () => {
  it('cleans up after a version that is live, tells of it, and can be repeated', async () => {
    const run = await aTrainedRun('lively');
    expect((await run.plan()).decision).toBe('train');
    const version = await registerVersion(run.place, run.event);
    // Registered and never delivered: whoever comes next must still deliver it.
    expect((await run.plan()).decision).toBe('train');
    const entry = { model: 'lively', version, reason: '', by: 'pipeline', at: run.control.now() };
    await ledger.append({ ...entry, state: 'live', runId: run.runId });
    expect(await leftovers('lively')).not.toEqual([]);
    for (let i = 0; i < 2; i += 1) expect(await run.finish('live')).toEqual({ outcome: 'live' });
    expect(await leftovers('lively')).toEqual([]);
    expect(await artifacts.list('models/lively/')).toHaveLength(7);
    expect(await registry.getRun('lively', run.runId)).toMatchObject({
      status: 'SUCCEEDED',
      outcome: 'live',
      version: 1,
    });
    expect(await locks.read('lively')).toBeUndefined();
    expect((await inbox()).Subject).toMatch(/^lively: version .* is live$/);
    await inbox();

    const same = await aTrainedRun('lively');
    expect((await same.plan()).decision).toBe('unchanged');
    await same.finish('unchanged');
    expect((await registry.getRun('lively', same.runId)).reasons).toEqual([
      'the same data, code and hyperparameters are version 1',
    ]);
    // What an earlier, broken end left behind goes with the next one.
    expect(await leftovers('lively')).toEqual([]);
  });

  it('tells of a version that waits for a person, with the commands that decide about it', async () => {
    const run = await aTrainedRun('waits');
    const version = await registerVersion(run.place, run.event);
    const { trainingId } = run.event;
    const reasons = ['version 7, which was staged before, is superseded'];
    const parts = {
      control: run.control,
      registry,
      ledger,
      endpoints,
      data,
      artifacts,
      health,
      notifications,
      store,
    };
    const outcome = 'awaiting_approval';
    const event = { runId: run.runId, outcome, reasons, trainingId, version } as const;
    expect(await finishRun(parts, { ...event, reasons })).toEqual({ outcome });
    const news = await inbox();
    expect(news.Subject).toBe('waits: version 1 waits for approval');
    expect(news.Message).toContain('slipway approve waits 1\nslipway reject waits 1 --reason');
    expect(news.Message).toContain(reasons[0]);
    expect(await registry.getRun('waits', run.runId)).toMatchObject({ outcome, version });
  });

  it('comes without a training where the model was retired before its turn', async () => {
    const run = await aTrainedRun('retired');
    const entry = { model: 'retired', version: 1, by: 'ada', at: run.control.now() };
    await ledger.append({ ...entry, state: 'live', reason: 'first' });
    expect(await retirementOf(ledger, 'retired')).toBeUndefined();
    await ledger.append({ ...entry, state: 'retired', reason: 'replaced' });
    expect(await run.plan()).toMatchObject({
      decision: 'collected',
      reasons: [expect.stringMatching(/^retired is retired since .* by ada \(replaced\)/)],
    });
    expect((await registry.getRun('retired', run.runId)).trainingJobName).toBeUndefined();
  });

  it('remembers a rejection, so that the same training is not done again', async () => {
    const run = await aTrainedRun('rejected');
    await run.finish('rejected', ['auc 0.5 against 0.6']);
    expect((await run.plan()).decision).toBe('unchanged');
    expect(await leftovers('rejected')).toEqual([]);
    expect((await inbox()).Message).toContain('auc 0.5 against 0.6');
    const again = await aTrainedRun('rejected');
    await again.finish('unchanged');
    expect((await registry.getRun('rejected', again.runId)).reasons).toContain(
      'auc 0.5 against 0.6',
    );
  });
});

describe('a run that breaks', () => {
  it('frees the lock, keeps its checkpoints, says why, and starts the run that waits', async () => {
    const run = await aTrainedRun('broken');
    const { control, retraining, runId } = run;
    const waiting = await ask(retraining, 0, drop('broken', 2));
    await stop(runId);
    const detail = {
      executionArn: executions.arnOf(runId),
      name: runId,
      status: 'ABORTED',
    } as const;
    expect(await releaseBrokenRun({ control, notifications }, { detail })).toEqual({
      nextRunId: waiting.runId,
    });
    // The same event once more changes nothing.
    await releaseBrokenRun({ control, notifications }, { detail });
    expect(await registry.getRun('broken', runId)).toMatchObject({
      status: 'ABORTED',
      reasons: ['ABORTED: enough'],
    });
    expect(await locks.read('broken')).toMatchObject({ lock: { runId: waiting.runId } });
    expect(await leftovers('broken')).not.toEqual([]);
    const page = await pager();
    expect(page.Subject).toBe(`broken: run ${runId} was stopped`);
    expect(page.Message).toContain('ABORTED: enough');
  });

  it('is found by the next request where the event of its end never came', async () => {
    const retraining = retrainingOf('silent');
    const { control } = retraining;
    const { runId } = await ask(retraining, 30, person);
    await stop(runId);
    const inAMinute = () => new Date(Date.now() + 60_000).toISOString();
    const later = { ...retraining, control: { ...control, now: inAMinute } };
    expect(await ask(later, 30, drop('silent', 1))).toMatchObject({ outcome: 'started' });
    expect(await registry.getRun('silent', runId)).toMatchObject({ status: 'ABORTED' });
  });
});
