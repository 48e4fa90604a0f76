import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import type { Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { defineModel } from '../../core/model/define-model.ts';
import { planTraining } from '../../core/training/training-plan.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { environmentOnAws, ownPythonOf } from './synthesis.ts';

type Json = Record<string, unknown>;

const trainings = {
  'CPU on spot': {},
  'CPU on demand': { spot: false },
  'GPU on spot': { instanceType: 'ml.g5.xlarge', maxRuntimeSeconds: 7_200, maxWaitSeconds: 86_400 },
  'GPU on demand': { instanceType: 'ml.p4d.24xlarge', spot: false },
  'own Python': { trainer: 'python', hyperparameters: { text: 'x'.repeat(2_489) } },
} as const;

const longest = `m${'x'.repeat(31)}`;

/** A reference to a resource, as it is when it is deployed. */
function resolved(part: unknown): string {
  if (typeof part === 'string') return part;
  const reference = part as Record<string, string>;
  if ('Fn::GetAtt' in reference) return 'arn:aws:iam::123456789012:role/job';
  return (reference['Fn::Sub'] ?? '123456789012').replaceAll(/\$\{AWS::\w+\}/g, '123456789012');
}

/** A path of the state's input, as in $.plan.outputUri. */
const valueAt = (input: Json, path: string): unknown =>
  path
    .slice(2)
    .split('.')
    .reduce<unknown>((value, key) => (value as Json)[key], input);

/** Parameters with their paths replaced by what the state is given. */
function filled(parameters: unknown, input: Json): unknown {
  if (Array.isArray(parameters)) return parameters.map((item) => filled(item, input));
  if (typeof parameters !== 'object' || parameters === null) return parameters;
  return Object.fromEntries(
    Object.entries(parameters).map(([key, value]) =>
      key.endsWith('.$') ? [key.slice(0, -2), valueAt(input, value)] : [key, filled(value, input)],
    ),
  );
}

/** What Step Functions sends to SageMaker for a training. */
function requestOf(environment: 'dev' | 'staging' | 'prod', training: object): Json {
  const definition = defineModel(
    aModelDefinition({ name: longest, training: { trainer: 'xgboost', ...training } }),
  );
  const app = slipwayApp(environmentOnAws(environment), [definition], undefined, {
    ownPython: ownPythonOf(longest),
  });
  const stack = app.node.children.find(({ node }) => node.id.includes('-Model-')) as Stack;
  const template = Template.fromStack(stack);
  const [machine] = Object.values(template.findResources('AWS::StepFunctions::StateMachine'));
  const [separator, parts] = machine?.['Properties'].DefinitionString['Fn::Join'] ?? [];
  const { Train } = JSON.parse(parts.map(resolved).join(separator)).States;
  const [plan] = Object.values(template.findResources('AWS::Lambda::Function')).filter(
    ({ Properties }) => Properties.Environment?.Variables?.TRAINING_DEVICE,
  );
  const variables = plan?.['Properties'].Environment.Variables;
  const features = `s3://data/features/${longest}/${'a'.repeat(64)}/${'b'.repeat(64)}`;
  return filled(Train.Parameters, {
    plan: planTraining({
      definition,
      runId: `${longest}-20260301T110000-0000ff`,
      contentHash: 'a'.repeat(64),
      trainerSha256: variables.TRAINER_SHA256,
      trainingImage: variables.TRAINING_IMAGE,
      trainingDevice: variables.TRAINING_DEVICE,
      artifactsBucket: 'artifacts',
    }),
    features: {
      trainUri: `${features}/train/`,
      validationUri: `${features}/validation/`,
      featuresUri: `${features}/features/`,
    },
  }) as Json;
}

/** SageMaker's own description of its API says what is wrong with each request. */
const problemsOf = (requests: readonly unknown[]): string[][] =>
  JSON.parse(
    execFileSync(
      '.venv/local/bin/python',
      [join(import.meta.dirname, 'check_training_requests.py')],
      { input: JSON.stringify(requests), encoding: 'utf8' },
    ),
  );

describe.each(['dev', 'staging', 'prod'] as const)('the training request of %s', (environment) => {
  const requests = Object.entries(trainings).map(
    ([title, training]) => [title, requestOf(environment, training)] as const,
  );

  it('is one that SageMaker takes, on a CPU and a GPU, on spot and on demand', () => {
    expect(problemsOf(requests.map(([, request]) => request))).toEqual(requests.map(() => []));
  });

  it.each(requests)(
    '%s: waits for spot at least as long as it runs, with checkpoints',
    (_, request) => {
      const { MaxRuntimeInSeconds = 0, MaxWaitTimeInSeconds } = request[
        'StoppingCondition'
      ] as Record<string, number>;
      const spot = request['EnableManagedSpotTraining'];
      expect(MaxWaitTimeInSeconds !== undefined).toBe(spot);
      if (spot) expect(MaxWaitTimeInSeconds).toBeGreaterThanOrEqual(MaxRuntimeInSeconds);
      expect(request['CheckpointConfig']).toEqual({
        S3Uri: expect.stringMatching(/^s3:\/\/artifacts\/checkpoints\/.*\/$/),
      });
    },
  );

  it.each(requests)('%s: has the image and the device of its instance', (title, request) => {
    const { TrainingImage } = request['AlgorithmSpecification'] as Record<string, string>;
    const gpu = title.startsWith('GPU');
    expect(TrainingImage).toContain(gpu ? '-gpu-py312-cu' : '-cpu-py312-ubuntu');
    // A model's own Python looks for itself.
    const device = title === 'own Python' ? undefined : gpu ? 'cuda' : 'cpu';
    expect((request['HyperParameters'] as Json)['device']).toBe(device);
  });
});

describe('the check of training requests', () => {
  const good = requestOf('dev', {});
  const { ResourceConfig, StoppingCondition } = good as Record<string, Json>;

  it.each([
    [{ RoleArn: undefined }, /Missing required parameter.*RoleArn/],
    [{ Spot: true }, /Unknown parameter.*Spot/],
    [
      { ResourceConfig: { ...ResourceConfig, InstanceType: 'ml.m5.huge' } },
      /not in the enumeration/,
    ],
    [{ TrainingJobName: 'under_score' }, /TrainingJobName.*does not match/],
    [{ OutputDataConfig: { S3OutputPath: 'artifacts/jobs' } }, /S3OutputPath.*does not match/],
    [{ StoppingCondition: { ...StoppingCondition, MaxRuntimeInSeconds: 0 } }, /MaxRuntime/],
    [{ Tags: Array.from({ length: 51 }, () => ({ Key: 'k', Value: 'v' })) }, /51 items/],
  ])('finds what is wrong with %o', (change, problem) => {
    const [problems] = problemsOf([{ ...good, ...change }]);
    expect(problems?.join('\n')).toMatch(problem);
  });
});

describe('an instance type', () => {
  it('that SageMaker does not have fails the synthesis, with those it has', () => {
    expect(() => requestOf('dev', { instanceType: 'ml.g5.3xlarge' })).toThrow(
      /training\.instanceType: .*ml\.g5\.2xlarge, .*received "ml\.g5\.3xlarge"/,
    );
  });
});
