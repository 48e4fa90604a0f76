import { describe, expect, it } from 'vitest';
import { synthesise } from './synthesis.ts';

/** Amazon States Language, as far as these tests read it. */
interface States {
  readonly StartAt: string;
  readonly States: Record<string, Record<string, never> & { Type: string; Next?: string }>;
}

/** The definition with its references to other resources replaced by a word. */
function definitionOf(template: ReturnType<typeof synthesise>['flightDelay']): States {
  const [machine] = Object.values(template.findResources('AWS::StepFunctions::StateMachine'));
  const [, parts] = machine?.['Properties'].DefinitionString['Fn::Join'] ?? ['', []];
  return JSON.parse(
    parts.map((part: unknown) => (typeof part === 'string' ? part : 'reference')).join(''),
  );
}

describe("a model's pipeline", () => {
  const { flightDelay } = synthesise('dev');
  const definition = definitionOf(flightDelay);
  const train = definition.States['Train'] as unknown as {
    Resource: string;
    Parameters: Record<string, never>;
  };

  it('trains on managed spot with checkpoints, without a network, and waits no less than it runs', () => {
    expect(train.Resource).toBe('arn:aws:states:::sagemaker:createTrainingJob.sync');
    expect(train.Parameters).toMatchObject({
      EnableManagedSpotTraining: true,
      EnableNetworkIsolation: true,
      CheckpointConfig: { 'S3Uri.$': '$.plan.checkpointUri' },
      OutputDataConfig: { CompressionType: 'NONE' },
      StoppingCondition: { MaxRuntimeInSeconds: 1800, MaxWaitTimeInSeconds: 3600 },
    });
  });

  it('may pull the image that it trains in', () => {
    const policies = JSON.stringify(flightDelay.findResources('AWS::IAM::Policy'));
    expect(policies).toContain(
      '"Action":["ecr:BatchCheckLayerAvailability","ecr:BatchGetImage","ecr:GetDownloadUrlForLayer"],"Effect":"Allow","Resource":"arn:aws:ecr:eu-west-1:763104351884:repository/pytorch-training"',
    );
    expect(policies).toContain('ecr:GetAuthorizationToken');
  });

  it('runs a step again that found no free concurrency', () => {
    const steps = Object.values(definition.States).filter(
      ({ Type, Resource }) => Type === 'Task' && Resource !== train.Resource,
    );
    expect(steps.length).toBeGreaterThan(10);
    for (const step of steps) {
      expect(JSON.stringify(step['Retry'])).toContain('Lambda.TooManyRequestsException');
    }
  });

  it('can be entered again at every state that does something', () => {
    const tasks = Object.entries(definition.States).filter(([, { Type }]) => Type === 'Task');
    const entry = definition.States[definition.StartAt] as unknown as {
      Choices: { Next: string }[];
      Default: string;
    };
    const entrances = entry.Choices.slice(0, -1).map(({ Next }) => Next);
    expect(entrances.sort()).toEqual(tasks.map(([name]) => name).sort());
    expect(entry.Default).toBe('AwaitQuiet');
  });

  it('fails where a retry names a state that there is not, instead of starting over', () => {
    const entry = definition.States[definition.StartAt] as unknown as { Choices: object[] };
    expect(entry.Choices.at(-1)).toEqual({
      Variable: '$.from',
      IsPresent: true,
      Next: 'UnknownState',
    });
    expect(definition.States['UnknownState']).toMatchObject({
      Type: 'Fail',
      Error: 'UnknownState',
      CausePath: expect.stringMatching(/^States\.Format\('.*AwaitQuiet, .*', \$\.from\)$/),
    });
  });

  it('chooses on outcomes and catches no failure', () => {
    for (const state of Object.values(definition.States)) expect(state).not.toHaveProperty('Catch');
  });

  it('is told of drops, and its lock is freed by executions that ended badly', () => {
    flightDelay.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        source: ['aws.s3'],
        'detail-type': ['Object Created'],
        detail: { object: { key: [{ prefix: 'landing/flight-delay/' }] } },
      },
    });
    flightDelay.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        source: ['aws.states'],
        detail: { status: ['FAILED', 'TIMED_OUT', 'ABORTED'] },
      },
    });
  });

  it('has a dead-letter queue on every asynchronous edge', () => {
    for (const { Properties } of Object.values(flightDelay.findResources('AWS::Events::Rule'))) {
      for (const target of Properties.Targets) expect(target.DeadLetterConfig).toBeDefined();
    }
  });
});
