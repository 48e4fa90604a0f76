import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterEach, describe, expect, it } from 'vitest';
import { defineModel } from '../../core/model/define-model.ts';
import { sourcesOf } from '../../core/model/sources.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { environmentOnAws, ownPythonOf, synthesise } from './synthesis.ts';

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
      ({ Type, Resource }) => Type === 'Task' && String(Resource) !== train.Resource,
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

  it('measures and evaluates a candidate, registers what has metrics, and stages what passed', () => {
    const next = (state: string) => definition.States[state]?.Next;
    expect(next('Train')).toBe('MeasureCandidate');
    const choiceOf = (state: string) =>
      definition.States[state] as unknown as {
        Choices: { Variable: string; Next: string }[];
        Default: string;
      };
    expect(choiceOf(next('MeasureCandidate') ?? '')).toMatchObject({
      Choices: [{ Variable: '$.features.holdoutKey', IsPresent: true, Next: 'EvaluateCandidate' }],
      Default: 'EvaluateImport',
    });
    expect(choiceOf(next('EvaluateCandidate') ?? '')).toMatchObject({
      Choices: [
        { And: [expect.anything(), { Variable: '$.import' }], Next: 'RegisterImport' },
        { Variable: '$.evaluation.measured', Next: 'RegisterVersion' },
      ],
      Default: 'FinishUnmeasured',
    });
    expect(choiceOf(next('RegisterVersion') ?? '')).toMatchObject({
      Choices: [{ Variable: '$.evaluation.outcome', Next: 'StageVersion' }],
      Default: 'FinishRejected',
    });
  });

  it('converts an imported file where training jobs run: no network, no rows but its own features', () => {
    const convert = definition.States['ConvertImport'] as unknown as typeof train;
    const {
      InputDataConfig,
      HyperParameters: _,
      ...same
    } = convert.Parameters as {
      InputDataConfig: { ChannelName: string }[];
    } & Record<string, never>;
    const { InputDataConfig: __, HyperParameters: ___, ...others } = train.Parameters;
    expect(same).toEqual(others);
    expect(same).toMatchObject({ EnableNetworkIsolation: true });
    expect(InputDataConfig.map(({ ChannelName }) => ChannelName).sort()).toEqual([
      'code',
      'features',
      'import',
      'wheels',
    ]);
  });

  it('opens an imported file nowhere else: no function may read it but to hash it', () => {
    const readers = Object.entries(flightDelay.findResources('AWS::IAM::Policy')).filter(
      ([, { Properties }]) => JSON.stringify(Properties).includes('/imports/flight-delay/*'),
    );
    expect(readers.map(([id]) => id.replace(/(Role)?DefaultPolicy.*$/, '')).sort()).toEqual([
      'RegistryRegisterVersion',
      'TrainingJobJob',
    ]);
  });

  it('gives the step that registers an import all that the run knows', () => {
    expect(definition.States['RegisterImport']).not.toHaveProperty('Parameters');
    expect(definition.States['RegisterImport']).not.toHaveProperty('InputPath');
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

  it('looks at kept wishes again as often as drift is checked', () => {
    flightDelay.hasResourceProperties('AWS::Events::Rule', {
      ScheduleExpression: 'rate(1 hour)',
      Targets: [
        {
          Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^RunControlRequestRun'), 'Arn'] },
          InputTransformer: {
            InputPathsMap: { time: '$.time' },
            InputTemplate: '{"kind":"tick","time":<time>}',
          },
          DeadLetterConfig: Match.anyValue(),
        },
      ],
    });
  });

  it('sees what its own training jobs cost where runs begin and end, and at the end removes its own endpoints', () => {
    const statements = Object.entries(flightDelay.findResources('AWS::IAM::Policy'))
      .filter(([id]) => /(RequestRun|ReleaseRun|FinishRun)Role/.test(id))
      .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
      .filter(({ Action }) => JSON.stringify(Action).includes('sagemaker:'));
    const allowed = statements.map(({ Action, Resource }) => [
      Action,
      /:([a-z-]+\/flight-delay-\?{8}-\?{6})"/.exec(JSON.stringify(Resource))?.[1],
    ]);
    const costs = ['sagemaker:DescribeTrainingJob', 'training-job/flight-delay-????????-??????'];
    expect(allowed).toEqual(
      expect.arrayContaining([
        ['sagemaker:DeleteEndpoint', 'endpoint/flight-delay-????????-??????'],
        ['sagemaker:DeleteEndpointConfig', 'endpoint-config/flight-delay-????????-??????'],
        ['sagemaker:DeleteModel', 'model/flight-delay-????????-??????'],
        costs,
      ]),
    );
    expect(allowed).toHaveLength(6);
    expect(allowed.filter(([action]) => action === costs[0])).toEqual([costs, costs, costs]);
  });

  it('ends with what was collected where the policy waits, and says why', () => {
    const choices = JSON.stringify(definition.States['IsToTrain']);
    expect(choices).toContain('FinishCollected');
    expect(definition.States['FinishCollected']).toMatchObject({
      Parameters: { outcome: 'collected', 'reasons.$': '$.plan.reasons' },
    });
  });

  it('has a dead-letter queue on every asynchronous edge', () => {
    for (const { Properties } of Object.values(flightDelay.findResources('AWS::Events::Rule'))) {
      for (const target of Properties.Targets) expect(target.DeadLetterConfig).toBeDefined();
    }
  });
});

describe('an alarm of a model', () => {
  const { monitoring } = synthesise('dev');

  it('is heard by one rule for all models: of this environment, in ALARM, such as a training may mend', () => {
    monitoring.resourceCountIs('AWS::Events::Rule', 1);
    monitoring.hasResourceProperties('AWS::Events::Rule', {
      EventPattern: {
        source: ['aws.cloudwatch'],
        'detail-type': ['CloudWatch Alarm State Change'],
        detail: {
          alarmName: [
            { wildcard: 'slipway-dev-*-features-drifted' },
            { wildcard: 'slipway-dev-*-predictions-drifted' },
            { wildcard: 'slipway-dev-*-quality-dropped' },
          ],
          state: { value: ['ALARM'] },
        },
      },
    });
    for (const { Properties } of Object.values(monitoring.findResources('AWS::Events::Rule'))) {
      for (const target of Properties.Targets) expect(target.DeadLetterConfig).toBeDefined();
    }
    monitoring.resourceCountIs('AWS::Lambda::EventInvokeConfig', 1);
  });

  it('is handed to the one starter of each model, and to nothing else', () => {
    const starters = Object.values(monitoring.findResources('AWS::IAM::Policy'))
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
      .filter(({ Action }) => [Action].flat().includes('lambda:InvokeFunction'))
      .flatMap(({ Resource }) => Resource);
    expect(starters).toHaveLength(2);
    const named = starters.map((resource) => resource['Fn::ImportValue']).toSorted();
    expect(named).toEqual(
      ['Churn', 'FlightDelay'].map((name) =>
        expect.stringMatching(
          new RegExp(`^Slipway-dev-Model-${name}:.*RunControlRequestRun.*Arn\\w+$`),
        ),
      ),
    );
  });
});

const trainerSha256 = (stack: Template): string => {
  const [plan] = Object.values(stack.findResources('AWS::Lambda::Function')).filter(
    ({ Properties }) => Properties.Environment?.Variables?.TRAINER_SHA256,
  );
  return plan?.['Properties'].Environment.Variables.TRAINER_SHA256;
};
const channelsOf = (stack: Template): string[] => {
  const train = definitionOf(stack).States['Train'] as unknown as {
    Parameters: { InputDataConfig: { ChannelName: string }[] };
  };
  return train.Parameters.InputDataConfig.map(({ ChannelName }) => ChannelName);
};

describe("the trainer's wheels", () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-wheels-'));
  const wheel = join(folder, 'trainer-1.0.0-py3-none-any.whl');
  afterEach(() => rmSync(wheel, { force: true }));

  const stackWith = (image: object): Template => {
    const models = [defineModel(aModelDefinition())];
    const environment = {
      ...environmentOnAws('dev'),
      trainingImages: {
        python: { kind: 'environments' as const },
        xgboost: { cpu: image as never, gpu: image as never, gpuDevice: 'cuda' as const },
      },
    };
    const app = slipwayApp(environment, models, undefined);
    return Template.fromStack(app.node.findChild('Slipway-dev-Model-Churn') as Stack);
  };
  const container = { deepLearningContainer: 'pytorch-training:1', wheels: folder };

  it('go with an image that has not its packages, and are part of what makes a training the same', () => {
    writeFileSync(wheel, 'first');
    const first = stackWith(container);
    writeFileSync(wheel, 'second');
    const second = stackWith(container);
    const without = stackWith({ image: '/venv' });
    expect(channelsOf(first)).toContain('wheels');
    expect(channelsOf(without)).not.toContain('wheels');
    const hashes = [first, second, without].map(trainerSha256);
    expect(new Set(hashes).size).toBe(3);
    for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{64}$/);
  });

  it('that were never downloaded are told with the command that does', () => {
    expect(() => stackWith(container)).toThrow(/node bin\/setup\.mjs wheels/);
  });
});

describe("a model's own Python", () => {
  const definition = defineModel(aModelDefinition({ training: { trainer: 'python' } }));
  const stackOf = (files: Readonly<Record<string, string>>, own = ownPythonOf('churn', files)) => {
    const app = slipwayApp(environmentOnAws('dev'), [definition], undefined, { ownPython: own });
    const folder = app.synth().directory;
    const stack = Template.fromStack(app.node.findChild('Slipway-dev-Model-Churn') as Stack);
    return { folder, stack };
  };
  const hashIn = ({ stack }: { stack: Template }) => trainerSha256(stack);

  it('is a channel of its training, with the wheels of its packages in the image for them', () => {
    const { stack } = stackOf({});
    expect(channelsOf(stack)).toEqual([
      ...['train', 'validation', 'features', 'code', 'wheels', 'program'],
    ]);
    expect(JSON.stringify(definitionOf(stack).States['Train'])).toContain('pytorch-training:');
  });

  it('makes another training where train.py or a module beside it changes, and nothing else does', () => {
    const files = { 'train.py': 'a = 1', 'words.py': 'b = 1', 'tests/test_model.py': 'c = 1' };
    const first = hashIn(stackOf(files));
    expect(hashIn(stackOf(files))).toBe(first);
    expect(hashIn(stackOf({ ...files, 'model.ts': '', 'notes.ipynb': '{}' }))).toBe(first);
    expect(hashIn(stackOf({ ...files, 'tests/test_model.py': 'c = 2' }))).toBe(first);
    expect(hashIn(stackOf({ ...files, 'train.py': 'a = 2' }))).not.toBe(first);
    expect(hashIn(stackOf({ ...files, 'words.py': 'b = 2' }))).not.toBe(first);
  });

  it('is published as hashes, by which the command line sees that it has changed', () => {
    const { stack } = stackOf({});
    stack.hasResourceProperties('AWS::SSM::Parameter', {
      Name: '/slipway/dev/models/churn/sources',
      Value: JSON.stringify(sourcesOf(definition, { 'train.py': 'made up' })),
    });
  });

  it('is refused without the folder that it lies in', () => {
    expect(() => stackOf({}, new Map())).toThrow(/models\/<name>\//);
  });
});

describe("the training image's address", () => {
  const addressIn = (region: string) => {
    const models = [defineModel(aModelDefinition())];
    const app = slipwayApp(environmentOnAws('dev', region), models, undefined);
    const stack = Template.fromStack(app.node.findChild('Slipway-dev-Model-Churn') as Stack);
    return JSON.stringify(stack.findResources('AWS::StepFunctions::StateMachine'));
  };

  it("names the region's account of Deep Learning Containers", () => {
    expect(addressIn('eu-south-1')).toContain(
      '692866216735.dkr.ecr.eu-south-1.amazonaws.com/pytorch-training:',
    );
  });

  it('is refused where there is none, with what to do', () => {
    expect(() => addressIn('us-gov-west-1')).toThrow(
      /us-gov-west-1.*another region.*trainingImages/s,
    );
  });
});
