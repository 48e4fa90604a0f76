import { expect } from 'vitest';
import { createFunction, createRole, output, run } from './functions.ts';
import { gapTest, useCloud } from './harness.ts';

const cloud = useCloud();

const machine = (Resource: string, Parameters: object) => ({
  StartAt: 'Only',
  States: { Only: { Type: 'Task', Resource, Parameters, End: true } },
});

gapTest('a task needs the permission of the state machine’s role', async () => {
  const allowed = await createFunction(cloud(), 'allowed', 'exports.handler = async () => 1;');
  const other = await createFunction(cloud(), 'other', 'exports.handler = async () => 2;');
  const narrow = await createRole(cloud(), 'narrow', [
    { Effect: 'Allow', Action: 'lambda:InvokeFunction', Resource: [allowed, `${allowed}:*`] },
  ]);
  expect(output(await run(cloud(), machine(allowed, {}), {}, narrow))).toBe(1);
  const refusals = await Promise.all([
    run(cloud(), machine(other, {}), {}, narrow),
    run(cloud(), machine('arn:aws:states:::lambda:invoke', { FunctionName: other }), {}, narrow),
  ]);
  for (const refused of refusals) {
    expect(refused).toMatchObject({ status: 'FAILED', error: 'Lambda.AWSLambdaException' });
    expect(refused.cause).toMatch(
      /^User: arn:aws:sts::\d+:assumed-role\/narrow\/\S+ is not authorized to perform: lambda:InvokeFunction on resource: \S+:function:other /,
    );
  }
});

gapTest('a training job needs its own permission and that to pass the job’s role', async () => {
  const jobRole = 'arn:aws:iam::000000000000:role/job';
  const definition = machine('arn:aws:states:::sagemaker:createTrainingJob', {
    TrainingJobName: 'flights-1',
    RoleArn: jobRole,
  });
  const create = {
    Effect: 'Allow',
    Action: 'sagemaker:CreateTrainingJob',
    Resource: 'arn:aws:sagemaker:us-east-1:000000000000:training-job/flights-*',
  };
  const pass = {
    Effect: 'Allow',
    Action: 'iam:PassRole',
    Resource: jobRole,
    Condition: { StringEquals: { 'iam:PassedToService': 'sagemaker.amazonaws.com' } },
  };
  const [nothing, half, both] = await Promise.all(
    [[], [create], [create, pass]].map(async (statements, at) =>
      run(cloud(), definition, {}, await createRole(cloud(), `trains-${at}`, statements)),
    ),
  );
  expect(nothing?.cause).toContain('perform: sagemaker:CreateTrainingJob');
  expect(half?.cause).toContain(`perform: iam:PassRole on resource: ${jobRole}`);
  // Now it is the request itself that SageMaker refuses: it is far from complete.
  expect(both?.cause).not.toContain('not authorized');
});
