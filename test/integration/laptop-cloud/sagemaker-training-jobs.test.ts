import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { CloudWatchLogsClient, FilterLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { EventBridgeClient, PutRuleCommand, PutTargetsCommand } from '@aws-sdk/client-eventbridge';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import {
  AddTagsCommand,
  CreateTrainingJobCommand,
  ListTagsCommand,
  ListTrainingJobsCommand,
  SageMakerClient,
  StopTrainingJobCommand,
} from '@aws-sdk/client-sagemaker';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  ListExecutionsCommand,
  SFNClient,
} from '@aws-sdk/client-sfn';
import { beforeAll, describe, expect } from 'vitest';
import { type Cloud, startCloud } from '../../../local/cloud.ts';
import {
  clientConfig,
  eventually,
  gapTest,
  isRunning,
  temporaryFolder,
  useCloud,
} from './harness.ts';
import { assumeNewRole } from './rest-api.ts';
import { statuses, TrainingBench, trainingImage } from './training-jobs.ts';

const cloud = useCloud();
let bench: TrainingBench;
beforeAll(async () => {
  bench = await new TrainingBench(cloud()).open();
});

const checkpoints = (name: string) => ({
  CheckpointConfig: { S3Uri: `s3://training/checkpoints/${name}` },
});
const spot = (name: string, MaxWaitTimeInSeconds = 600) => ({
  ...checkpoints(name),
  EnableManagedSpotTraining: true,
  StoppingCondition: { MaxRuntimeInSeconds: 600, MaxWaitTimeInSeconds },
});

async function interruptions(method: string, rule?: object): Promise<Response> {
  return await fetch(`${cloud().endpoint}/_laptop/spot-interruptions`, {
    method,
    ...(rule ? { body: JSON.stringify(rule) } : {}),
  });
}

describe('the container of a training job', () => {
  gapTest('finds its configuration and its channels below the base directory', async () => {
    await bench.put('data/train/a.csv', 'a');
    await bench.put('data/train/deep/b.csv', 'b');
    await bench.put('code/train.py', 'code');
    await bench.start(
      'tree',
      `
found = {}
for folder, _, names in os.walk(os.path.join(base, 'input')):
    for name in names:
        path = os.path.join(folder, name)
        found[os.path.relpath(path, base)] = open(path).read()
write('model/found.json', json.dumps(found))`,
      {
        HyperParameters: { rounds: '20', objective: 'binary:logistic' },
        InputDataConfig: [
          {
            ChannelName: 'train',
            ContentType: 'text/csv',
            DataSource: {
              S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://training/data/train/' },
            },
          },
          {
            ChannelName: 'code',
            DataSource: {
              S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://training/code/train.py' },
            },
          },
        ],
        ...checkpoints('tree'),
      },
    );
    await bench.ended('tree');
    const found = JSON.parse(await bench.text('out/tree/output/model/found.json'));
    expect(found).toMatchObject({
      'input/data/train/a.csv': 'a',
      'input/data/train/deep/b.csv': 'b',
      'input/data/code/train.py': 'code',
    });
    expect(JSON.parse(found['input/config/hyperparameters.json'])).toEqual({
      rounds: '20',
      objective: 'binary:logistic',
    });
    expect(JSON.parse(found['input/config/inputdataconfig.json']).train).toEqual({
      ContentType: 'text/csv',
      TrainingInputMode: 'File',
      S3DistributionType: 'FullyReplicated',
      RecordWrapperType: 'None',
    });
    expect(JSON.parse(found['input/config/resourceconfig.json'])).toMatchObject({
      current_host: 'algo-1',
      hosts: ['algo-1'],
    });
    expect(JSON.parse(found['input/config/checkpointconfig.json']).LocalPath).toMatch(
      /\/checkpoints$/,
    );
  });

  gapTest('is given the job, its own Environment, and nothing of the machine', async () => {
    const arn = await bench.start(
      'environment',
      `write('model/environment.json', json.dumps({'environment': dict(os.environ), 'arguments': sys.argv[1:]}))`,
      { Environment: { ROUNDS: '3' } },
    );
    await bench.ended('environment');
    const { environment } = JSON.parse(
      await bench.text('out/environment/output/model/environment.json'),
    );
    expect(environment).toMatchObject({
      ROUNDS: '3',
      TRAINING_JOB_NAME: 'environment',
      TRAINING_JOB_ARN: arn,
      AWS_REGION: 'us-east-1',
    });
    const foreign = Object.keys(environment).filter((name) =>
      /^(AWS|MINISTACK|GATEWAY)_/.test(name),
    );
    expect(foreign).toEqual(['AWS_REGION']);
  });

  gapTest(
    'runs the entry point it is told to, with /opt/ml where the base directory is',
    async () => {
      await bench.put('entry/run.py', 'import sys; open(sys.argv[1], "w").write("written")');
      const image = trainingImage('');
      await bench.sagemaker.send(
        new CreateTrainingJobCommand({
          ...bench.request('entry-point', image),
          AlgorithmSpecification: {
            TrainingImage: image,
            TrainingInputMode: 'File',
            ContainerEntrypoint: ['python3', '/opt/ml/input/data/code/run.py'],
            ContainerArguments: ['/opt/ml/model/out.txt'],
          },
          InputDataConfig: [
            {
              ChannelName: 'code',
              DataSource: {
                S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://training/entry/' },
              },
            },
          ],
        }),
      );
      await bench.ended('entry-point');
      expect(await bench.text('out/entry-point/output/model/out.txt')).toBe('written');
    },
  );

  gapTest('has its output in CloudWatch Logs and its metrics in the description', async () => {
    const image = trainingImage(`
for step in range(3):
    print(f'round {step} auc={0.5 + step / 10};')
print('to the other stream', file=sys.stderr)`);
    await bench.sagemaker.send(
      new CreateTrainingJobCommand({
        ...bench.request('metrics', image),
        AlgorithmSpecification: {
          TrainingImage: image,
          TrainingInputMode: 'File',
          MetricDefinitions: [{ Name: 'auc', Regex: 'auc=([0-9.]+);' }],
        },
      }),
    );
    const job = await bench.ended('metrics');
    expect(job.FinalMetricDataList).toMatchObject([
      { MetricName: 'auc', Value: expect.closeTo(0.7, 5) as number },
    ]);
    const { events = [] } = await new CloudWatchLogsClient(clientConfig(cloud())).send(
      new FilterLogEventsCommand({
        logGroupName: '/aws/sagemaker/TrainingJobs',
        logStreamNamePrefix: 'metrics/algo-1-',
      }),
    );
    const messages = events.map((event) => event.message);
    expect(messages).toContain('round 2 auc=0.7;');
    expect(messages).toContain('to the other stream');
  });
});

describe('what a training job leaves in S3', () => {
  gapTest('is the model and the data as files when the compression is NONE', async () => {
    await bench.start(
      'plain',
      `write('model/deep/model.onnx', 'm'); write('output/data/report', 'r')`,
    );
    const job = await bench.ended('plain');
    expect(job.ModelArtifacts?.S3ModelArtifacts).toBe('s3://training/out/plain/output/model');
    expect(await bench.keys('out/plain/')).toEqual([
      'out/plain/output/data/report',
      'out/plain/output/model/deep/model.onnx',
    ]);
  });

  gapTest('is a pair of archives otherwise', async () => {
    await bench.start(
      'packed',
      `write('model/model.onnx', 'm'); write('output/data/report', 'r')`,
      {
        OutputDataConfig: { S3OutputPath: 's3://training/out/' },
      },
    );
    const job = await bench.ended('packed');
    expect(job.ModelArtifacts?.S3ModelArtifacts).toBe(
      's3://training/out/packed/output/model.tar.gz',
    );
    const listed = async (name: string) => {
      const file = join(temporaryFolder(), name);
      writeFileSync(file, await bench.get(`out/packed/output/${name}`));
      return execFileSync('tar', ['-tzf', file], { encoding: 'utf8' }).trim().split('\n');
    };
    expect(await listed('model.tar.gz')).toEqual(['model.onnx']);
    expect(await listed('output.tar.gz')).toContain('data/report');
  });
});

describe('a training job', () => {
  gapTest('tells its statuses, its times and what it was asked for', async () => {
    const before = Date.now();
    const arn = await bench.start('Described', 'time.sleep(1.2)', {
      HyperParameters: { depth: '6' },
    });
    const job = await bench.ended('Described');
    expect(arn).toBe('arn:aws:sagemaker:us-east-1:000000000000:training-job/described');
    expect(statuses(job)).toEqual([
      'Starting',
      'Downloading',
      'Training',
      'Uploading',
      'Completed',
    ]);
    expect(job).toMatchObject({
      TrainingJobArn: arn,
      TrainingJobName: 'Described',
      TrainingJobStatus: 'Completed',
      SecondaryStatus: 'Completed',
      HyperParameters: { depth: '6' },
      EnableManagedSpotTraining: false,
      StoppingCondition: { MaxRuntimeInSeconds: 600 },
    });
    expect(job.CreationTime?.getTime()).toBeGreaterThanOrEqual(before - 1000);
    expect(job.TrainingTimeInSeconds).toBeGreaterThanOrEqual(2);
    expect(job.BillableTimeInSeconds).toBeLessThanOrEqual(job.TrainingTimeInSeconds ?? 0);
    for (const { StartTime, EndTime } of job.SecondaryStatusTransitions ?? []) {
      expect(EndTime?.getTime()).toBeGreaterThanOrEqual(StartTime?.getTime() ?? Infinity);
    }
  });

  gapTest('fails with the text of its failure file and its exit code', async () => {
    await bench.start('failing', `write('output/failure', 'x' * 2000); sys.exit(3)`);
    const job = await bench.ended('failing');
    expect(job.TrainingJobStatus).toBe('Failed');
    expect(job.FailureReason).toMatch(/^AlgorithmError: x+, exit code: 3$/);
    expect(job.FailureReason).toHaveLength(1024);
    expect(await bench.keys('out/failing/output/model')).toEqual([]);
  });

  gapTest('fails when a channel has no data, or the image is no folder', async () => {
    await bench.start('no-data', '', {
      InputDataConfig: [
        {
          ChannelName: 'train',
          DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://training/nothing/' } },
        },
      ],
    });
    const input = bench.request('no-image', '/no/such/image');
    await bench.sagemaker.send(new CreateTrainingJobCommand(input));
    expect((await bench.ended('no-data')).FailureReason).toContain(
      'No S3 objects found under S3 URL',
    );
    expect((await bench.ended('no-image')).FailureReason).toContain('/no/such/image');
  });

  gapTest('ends the processes its entry point leaves behind', async () => {
    const image = trainingImage(`
import subprocess
child = subprocess.Popen(['sleep', '600'])
write('model/pid', str(child.pid))`);
    await bench.sagemaker.send(new CreateTrainingJobCommand(bench.request('orphans', image)));
    expect((await bench.ended('orphans')).TrainingJobStatus).toBe('Completed');
    expect(isRunning(Number(await bench.text('out/orphans/output/model/pid')))).toBe(false);
  });

  gapTest('publishes each change of its state as an event', async () => {
    const events = new EventBridgeClient(clientConfig(cloud()));
    const states = new SFNClient(clientConfig(cloud()));
    const { stateMachineArn } = await states.send(
      new CreateStateMachineCommand({
        name: 'listener',
        roleArn: 'arn:aws:iam::000000000000:role/listener',
        definition: JSON.stringify({ StartAt: 'Done', States: { Done: { Type: 'Succeed' } } }),
      }),
    );
    await events.send(
      new PutRuleCommand({
        Name: 'jobs',
        EventPattern: JSON.stringify({
          source: ['aws.sagemaker'],
          'detail-type': ['SageMaker Training Job State Change'],
          detail: { TrainingJobName: ['announced'], TrainingJobStatus: ['Completed'] },
        }),
      }),
    );
    await events.send(
      new PutTargetsCommand({
        Rule: 'jobs',
        Targets: [
          { Id: 'listener', Arn: stateMachineArn, RoleArn: 'arn:aws:iam::000000000000:role/e' },
        ],
      }),
    );
    const arn = await bench.start('announced', '');
    const executionArn = await eventually(async () => {
      const { executions = [] } = await states.send(new ListExecutionsCommand({ stateMachineArn }));
      return executions[0]?.executionArn;
    });
    const { input = '' } = await states.send(new DescribeExecutionCommand({ executionArn }));
    const { detail, resources } = JSON.parse(input);
    expect(resources).toEqual([arn]);
    expect(detail).toMatchObject({ TrainingJobArn: arn, SecondaryStatus: 'Completed' });
    expect(detail.CreationTime).toMatch(/^\d{13}$/);
  });

  const dies = async (end: (other: Cloud) => Promise<void>) => {
    const other = await startCloud();
    try {
      const there = await new TrainingBench(other).open();
      const pidFile = join(temporaryFolder(), 'pid');
      await there.start(
        'long',
        `
signal.signal(signal.SIGTERM, signal.SIG_IGN)
open(${JSON.stringify(pidFile)}, 'w').write(str(os.getpid()))
time.sleep(600)`,
      );
      const pid = await eventually(
        () => (existsSync(pidFile) && Number(readFileSync(pidFile, 'utf8'))) || undefined,
      );
      expect(isRunning(pid)).toBe(true);
      await end(other);
      expect(isRunning(pid)).toBe(false);
      expect(existsSync(other.folder)).toBe(false);
    } finally {
      await other.stop();
    }
  };

  gapTest('dies with the laptop cloud', () => dies((other) => other.stop()));

  gapTest('dies with the laptop cloud that could not end in order', () =>
    dies(async (other) => {
      process.kill(other.pid, 'SIGKILL');
      await other.stop();
    }),
  );
});

describe('checkpoints', () => {
  gapTest('are in S3 before the job starts, follow the folder, and leave S3 with it', async () => {
    await bench.put('checkpoints/synced/before.json', 'old');
    const goOn = join(temporaryFolder(), 'go');
    await bench.start(
      'synced',
      `
folder = os.path.join(base, 'checkpoints')
write('model/restored', ','.join(sorted(os.listdir(folder))))
write('checkpoints/1/state', 'one')
write('checkpoints/2/state', 'two')
while not os.path.exists(os.environ['GO_ON']):
    time.sleep(0.05)
os.remove(os.path.join(folder, '1/state'))
os.remove(os.path.join(folder, 'before.json'))
write('checkpoints/3/state', 'three')`,
      { ...checkpoints('synced'), Environment: { GO_ON: goOn } },
    );
    await eventually(async () =>
      (await bench.keys('checkpoints/synced/')).includes('checkpoints/synced/2/state')
        ? true
        : undefined,
    );
    expect((await bench.describe('synced')).SecondaryStatus).toBe('Training');
    writeFileSync(goOn, '');
    await bench.ended('synced');
    expect(await bench.text('out/synced/output/model/restored')).toBe('before.json');
    expect(await bench.keys('checkpoints/synced/')).toEqual([
      'checkpoints/synced/2/state',
      'checkpoints/synced/3/state',
    ]);
  });
});

const resuming = `
folder = os.path.join(base, 'checkpoints')
steps = sorted(int(name) for name in os.listdir(folder) if name.isdigit())
first = steps[-1] + 1 if steps else 1
print(f'starts at {first}', flush=True)
leftovers = os.path.exists(os.path.join(base, 'model', 'partial'))
write('model/partial', 'lost with the instance')
for step in range(first, 9):
    write(f'checkpoints/{step}', 'state')
    time.sleep(0.4)
write('model/result.json', json.dumps({'first': first, 'leftovers': leftovers}))`;

describe('a managed spot instance', () => {
  gapTest('is taken away after a checkpoint, and the job resumes from what S3 holds', async () => {
    const rule = await interruptions('POST', {
      trainingJobNamePrefix: 'spot-',
      afterCheckpoints: 2,
      checkpointKeyPattern: '^\\d+$',
      times: 2,
    });
    expect(rule.status).toBe(201);
    await bench.start('spot-one', resuming, spot('spot-one'));
    const job = await bench.ended('spot-one');
    const attempt = ['Starting', 'Downloading', 'Training'];
    expect(statuses(job)).toEqual([
      ...attempt,
      'Interrupted',
      ...attempt,
      'Interrupted',
      ...attempt,
      'Uploading',
      'Completed',
    ]);
    const result = JSON.parse(await bench.text('out/spot-one/output/model/result.json'));
    expect(result.first).toBeGreaterThanOrEqual(5);
    expect(result.leftovers).toBe(false);
    expect(await (await interruptions('GET')).json()).toMatchObject([{ remaining: 0 }]);
    await interruptions('DELETE');
    expect(await (await interruptions('GET')).json()).toEqual([]);
  });

  gapTest('is only ever taken from jobs that asked for one', async () => {
    await interruptions('POST', { trainingJobNamePrefix: 'on-demand', afterSeconds: 0 });
    await bench.start('on-demand', 'time.sleep(0.5)');
    const job = await bench.ended('on-demand');
    expect(statuses(job)).not.toContain('Interrupted');
    await interruptions('DELETE');
  });

  gapTest('is refused a rule that says nothing', async () => {
    const answer = await interruptions('POST', { trainingJobNamePrefix: 'x' });
    expect(answer.status).toBe(400);
    expect(await answer.json()).toEqual({
      message: 'give either afterCheckpoints (a count) or afterSeconds',
    });
  });
});

const obedient = `
def end(*_):
    write('model/saved', 'in time')
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
write('checkpoints/ready', '')
time.sleep(600)`;

describe('a training job that must end', () => {
  gapTest('stops on request, and what it saves on SIGTERM is kept', async () => {
    await bench.start('stopped', obedient, checkpoints('stopped'));
    await eventually(async () => (await bench.keys('checkpoints/stopped/'))[0]);
    await bench.sagemaker.send(new StopTrainingJobCommand({ TrainingJobName: 'stopped' }));
    const job = await bench.ended('stopped');
    expect(job).toMatchObject({ TrainingJobStatus: 'Stopped', SecondaryStatus: 'Stopped' });
    expect(await bench.text('out/stopped/output/model/saved')).toBe('in time');
    await expect(
      bench.sagemaker.send(new StopTrainingJobCommand({ TrainingJobName: 'stopped' })),
    ).rejects.toMatchObject({ name: 'ValidationException' });
  });

  gapTest('stops when its runtime is over', async () => {
    await bench.start('too-long', obedient, { StoppingCondition: { MaxRuntimeInSeconds: 1 } });
    const job = await bench.ended('too-long');
    expect(job).toMatchObject({
      TrainingJobStatus: 'Stopped',
      SecondaryStatus: 'MaxRuntimeExceeded',
    });
  });

  gapTest('stops when its waiting time is over', async () => {
    await interruptions('POST', { trainingJobNamePrefix: 'waits', afterSeconds: 0.8, times: 1 });
    await bench.start('waits', obedient, {
      EnableManagedSpotTraining: true,
      StoppingCondition: { MaxRuntimeInSeconds: 2, MaxWaitTimeInSeconds: 2 },
    });
    const job = await bench.ended('waits');
    await interruptions('DELETE');
    expect(job.TrainingJobStatus).toBe('Stopped');
    expect(job.SecondaryStatus).toBe('MaxWaitTimeExceeded');
  });
});

/** A role SageMaker may take on, with one policy; its ARN. */
async function trainingRole(name: string, statements: object[]): Promise<string> {
  const iam = new IAMClient(clientConfig(cloud()));
  const document = (Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });
  const trust = {
    Effect: 'Allow',
    Principal: { Service: 'sagemaker.amazonaws.com' },
    Action: 'sts:AssumeRole',
  };
  const { Role } = await iam.send(
    new CreateRoleCommand({ RoleName: name, AssumeRolePolicyDocument: document([trust]) }),
  );
  await iam.send(
    new PutRolePolicyCommand({
      RoleName: name,
      PolicyName: 'training',
      PolicyDocument: document(statements),
    }),
  );
  return Role?.Arn ?? '';
}

describe('the execution role of a training job', () => {
  const bucket = 'arn:aws:s3:::training';
  const needed = [
    { Effect: 'Allow', Action: 's3:ListBucket', Resource: bucket },
    { Effect: 'Allow', Action: 's3:GetObject', Resource: `${bucket}/roles/*` },
    {
      Effect: 'Allow',
      Action: ['s3:GetObject', 's3:PutObject', 's3:DeleteObject'],
      Resource: `${bucket}/checkpoints/*`,
    },
    { Effect: 'Allow', Action: 's3:PutObject', Resource: `${bucket}/out/*` },
    {
      Effect: 'Allow',
      Action: ['logs:CreateLogGroup', 'logs:CreateLogStream', 'logs:PutLogEvents'],
      Resource: '*',
    },
  ];
  const job = async (name: string, statements: object[]) => {
    await bench.put('roles/data.csv', 'x');
    await bench.start(name, `write('checkpoints/1', 'state'); write('model/m', 'm')`, {
      RoleArn: await trainingRole(name, statements),
      InputDataConfig: [
        {
          ChannelName: 'train',
          DataSource: { S3DataSource: { S3DataType: 'S3Prefix', S3Uri: 's3://training/roles/' } },
        },
      ],
      ...checkpoints(name),
    });
    return await bench.ended(name);
  };

  gapTest('is what the job reads and writes with', async () => {
    expect(await job('role-enough', needed)).toMatchObject({ TrainingJobStatus: 'Completed' });
    const cannotRead = await job(
      'role-cannot-read',
      needed.filter((_, index) => index !== 1),
    );
    expect(cannotRead.FailureReason).toMatch(/^ClientError: .*AccessDenied.*GetObject/);
    const cannotWrite = await job(
      'role-cannot-write',
      needed.filter((_, index) => index !== 3),
    );
    expect(cannotWrite.FailureReason).toMatch(/^ClientError: .*AccessDenied.*PutObject/);
  });
});

describe('the SageMaker API', () => {
  gapTest('is for roles whose policies allow the action on the job', async () => {
    const credentials = await assumeNewRole(cloud(), 'starter', [
      {
        Effect: 'Allow',
        Action: 'sagemaker:CreateTrainingJob',
        Resource: 'arn:aws:sagemaker:us-east-1:000000000000:training-job/mine-*',
      },
      {
        Effect: 'Allow',
        Action: 'iam:PassRole',
        Resource: 'arn:aws:iam::000000000000:role/training',
        Condition: { StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' } },
      },
    ]);
    const sagemaker = new SageMakerClient({ ...clientConfig(cloud()), credentials });
    const image = trainingImage('');
    const create = (name: string) =>
      sagemaker.send(new CreateTrainingJobCommand(bench.request(name, image)));
    await create('mine-1');
    await expect(create('theirs-1')).rejects.toThrow(/sagemaker:CreateTrainingJob/);
    const RoleArn = 'arn:aws:iam::000000000000:role/other';
    const other = new CreateTrainingJobCommand({ ...bench.request('mine-2', image), RoleArn });
    await expect(sagemaker.send(other)).rejects.toThrow(/iam:PassRole/);
    await bench.ended('mine-1');
  });

  gapTest('refuses what AWS refuses, with the same error', async () => {
    const image = trainingImage('');
    const refused = async (overrides: object) =>
      await bench.sagemaker
        .send(new CreateTrainingJobCommand({ ...bench.request('refused', image), ...overrides }))
        .then(
          () => 'accepted',
          (error: Error) => `${error.name}: ${error.message}`,
        );
    expect(await refused({ RoleArn: undefined })).toBe(
      "ValidationException: 1 validation error detected: Value null at 'roleArn' failed to satisfy constraint: Member must not be null",
    );
    expect(await refused({ TrainingJobName: 'not_allowed' })).toContain(
      "Value 'not_allowed' at 'trainingJobName' failed to satisfy constraint: Member must satisfy regular expression pattern",
    );
    expect(await refused({ EnableManagedSpotTraining: true })).toContain('MaxWaitTimeInSeconds');
    expect(await refused({ HyperParameters: { rounds: 'x'.repeat(2501) } })).toContain(
      'Member must have length less than or equal to 2500',
    );
    expect(await refused({ HyperParameters: { rounds: 20 } })).toContain('SerializationException');
    expect(
      await refused({
        ResourceConfig: { InstanceType: 'ml.m5.large', InstanceCount: 2, VolumeSizeInGB: 1 },
      }),
    ).toContain('ResourceLimitExceeded');
    expect(await bench.describe('refused').catch((error: Error) => error.name)).toBe(
      'ResourceNotFound',
    );
  });

  gapTest('gives a name once, also when the same call comes twice', async () => {
    const input = bench.request('once', trainingImage(''));
    const results = await Promise.allSettled([
      bench.sagemaker.send(new CreateTrainingJobCommand(input)),
      bench.sagemaker.send(new CreateTrainingJobCommand(input)),
    ]);
    expect(results.map((result) => result.status).sort()).toEqual(['fulfilled', 'rejected']);
    const refused = results.find((result) => result.status === 'rejected');
    expect(refused?.reason).toMatchObject({ name: 'ResourceInUse' });
    await bench.ended('once');
  });

  gapTest('lists jobs by name, newest first, page by page, and keeps their tags', async () => {
    const arn = await bench.start('listed-a', '', { Tags: [{ Key: 'model', Value: 'one' }] });
    await bench.start('listed-b', '');
    const page = (NextToken?: string) =>
      bench.sagemaker.send(
        new ListTrainingJobsCommand({ NameContains: 'listed', MaxResults: 1, NextToken }),
      );
    const first = await page();
    const second = await page(first.NextToken);
    expect(
      [first, second].flatMap(({ TrainingJobSummaries = [] }) =>
        TrainingJobSummaries.map((job) => job.TrainingJobName),
      ),
    ).toEqual(['listed-b', 'listed-a']);
    expect(second.NextToken).toBeUndefined();
    const tags = [{ Key: 'model', Value: 'two' }];
    await bench.sagemaker.send(new AddTagsCommand({ ResourceArn: arn, Tags: tags }));
    expect((await bench.sagemaker.send(new ListTagsCommand({ ResourceArn: arn }))).Tags).toEqual(
      tags,
    );
  });
});
