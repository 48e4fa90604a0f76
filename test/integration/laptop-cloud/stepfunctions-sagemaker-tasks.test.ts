import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  SFNClient,
  StartExecutionCommand,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { beforeAll, describe, expect } from 'vitest';
import { clientConfig, eventually, gapTest, useCloud } from './harness.ts';
import { TrainingBench, trainingImage } from './training-jobs.ts';

const cloud = useCloud();
let bench: TrainingBench;
let states: SFNClient;
beforeAll(async () => {
  bench = await new TrainingBench(cloud()).open();
  states = new SFNClient(clientConfig(cloud()));
});

/** Starts a machine of one training state; errors are caught into `$.error`. */
async function execute(name: string, state: object): Promise<string> {
  const { stateMachineArn } = await states.send(
    new CreateStateMachineCommand({
      name,
      roleArn: 'arn:aws:iam::000000000000:role/machine',
      definition: JSON.stringify({
        StartAt: 'Train',
        States: {
          Train: {
            Type: 'Task',
            Resource: 'arn:aws:states:::sagemaker:createTrainingJob.sync',
            Catch: [{ ErrorEquals: ['States.ALL'], ResultPath: '$.error', Next: 'Caught' }],
            End: true,
            ...state,
          },
          Caught: { Type: 'Pass', End: true },
        },
      }),
    }),
  );
  const { executionArn = '' } = await states.send(
    new StartExecutionCommand({ stateMachineArn, input: '{}' }),
  );
  return executionArn;
}

async function output(executionArn: string) {
  const { status, output: json } = await eventually(async () => {
    const execution = await states.send(new DescribeExecutionCommand({ executionArn }));
    return execution.status === 'RUNNING' ? undefined : execution;
  });
  expect(status).toBe('SUCCEEDED');
  return JSON.parse(json ?? 'null');
}

const forever = 'signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); time.sleep(600)';

describe('createTrainingJob.sync', () => {
  gapTest('ends with the job and gives its description', async () => {
    const Parameters = bench.request('sync', trainingImage(`write('model/m', 'm')`));
    const result = await output(await execute('sync', { Parameters }));
    expect(result).toMatchObject({
      TrainingJobName: 'sync',
      TrainingJobStatus: 'Completed',
      ModelArtifacts: { S3ModelArtifacts: 's3://training/out/sync/output/model' },
    });
    expect(Date.now() - result.TrainingEndTime).toBeLessThan(60_000);
  });

  gapTest('fails as States.TaskFailed, the description as cause, when the job fails', async () => {
    const Parameters = bench.request('sync-fails', trainingImage('sys.exit(1)'));
    const { error } = await output(await execute('sync-fails', { Parameters }));
    expect(error.Error).toBe('States.TaskFailed');
    expect(JSON.parse(error.Cause)).toMatchObject({
      TrainingJobStatus: 'Failed',
      FailureReason: 'AlgorithmError: , exit code: 1',
    });
  });

  gapTest('fails when the job is stopped by its time limit', async () => {
    const Parameters = bench.request('sync-stops', trainingImage(forever), {
      StoppingCondition: { MaxRuntimeInSeconds: 1 },
    });
    const { error } = await output(await execute('sync-stops', { Parameters }));
    expect(error.Error).toBe('States.TaskFailed');
    expect(JSON.parse(error.Cause)).toMatchObject({
      TrainingJobStatus: 'Stopped',
      SecondaryStatus: 'MaxRuntimeExceeded',
    });
  });

  gapTest('names the errors of the API as the Java SDK does', async () => {
    const Parameters = bench.request('taken', trainingImage(''));
    await output(await execute('taken-first', { Parameters }));
    const again = await output(await execute('taken-again', { Parameters }));
    expect(again.error.Error).toBe('SageMaker.ResourceInUseException');
    expect(again.error.Cause).toContain('Error Code: ResourceInUse');
    const invalid = await output(
      await execute('invalid', { Parameters: { TrainingJobName: 'x' } }),
    );
    expect(invalid.error.Error).toBe('SageMaker.AmazonSageMakerException');
    expect(invalid.error.Cause).toContain('Error Code: ValidationException');
  });

  gapTest('stops the job when the execution is stopped', async () => {
    const Parameters = bench.request('sync-aborted', trainingImage(forever));
    const executionArn = await execute('sync-aborted', { Parameters });
    await eventually(() => bench.reached('sync-aborted', 'Training').catch(() => undefined));
    await states.send(new StopExecutionCommand({ executionArn }));
    expect((await bench.ended('sync-aborted')).TrainingJobStatus).toBe('Stopped');
  });

  gapTest('stops the job when the state runs out of time', async () => {
    const Parameters = bench.request('sync-late', trainingImage(forever));
    const state = { Parameters, TimeoutSeconds: 1 };
    const { error } = await output(await execute('sync-late', state));
    expect(error.Error).toBe('States.Timeout');
    expect((await bench.ended('sync-late')).TrainingJobStatus).toBe('Stopped');
  });
});

describe('createTrainingJob', () => {
  gapTest('goes on as soon as the job is there', async () => {
    const Parameters = bench.request('started', trainingImage('time.sleep(1)'));
    const Resource = 'arn:aws:states:::sagemaker:createTrainingJob';
    const result = await output(await execute('started', { Parameters, Resource }));
    expect(result).toEqual({
      TrainingJobArn: 'arn:aws:sagemaker:us-east-1:000000000000:training-job/started',
    });
    expect((await bench.describe('started')).TrainingJobStatus).toBe('InProgress');
  });
});
