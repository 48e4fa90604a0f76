import { Match, Template } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { idlePrice, idlePriceRows } from '../../cli/idle-price.ts';
import { defineModel, type ModelDefinitionInput } from '../../core/model/define-model.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { resourcesOf, stacksOf } from './every-environment.ts';
import { environmentOnAws, ownPythonOf } from './synthesis.ts';

const name = 'Slipway-dev-Model-BoxedChurn';
const boxed = (serving: Partial<ModelDefinitionInput['serving']> = {}) =>
  defineModel(
    aModelDefinition({
      name: 'boxed-churn',
      features: { inModel: ['plan'] },
      training: { trainer: 'python' },
      serving: { target: 'container', ...serving } as ModelDefinitionInput['serving'],
    }),
  );

function stackOf(serving?: Partial<ModelDefinitionInput['serving']>): Template {
  const app = slipwayApp(environmentOnAws('dev'), [boxed(serving)], undefined, {
    ownPython: ownPythonOf('boxed-churn'),
  });
  return Template.fromJSON(app.synth().getStackByName(name).template);
}
const [stack] = stacksOf('dev').filter((one) => one.name === name);
if (!stack) throw new Error(`there is no stack ${name}`);
const template = Template.fromJSON({ Resources: stack.Resources });
const states = () => {
  const [, { Properties }] = resourcesOf(stack, 'AWS::StepFunctions::StateMachine')[0] ?? ['', {}];
  const text = JSON.stringify(Properties.DefinitionString);
  return text.replaceAll('\\', '');
};
const deployStep = {
  SERVING_MEMORY_MB: '2048',
  SERVING_MAX_CONCURRENCY: '5',
};

describe('a model that a container answers', () => {
  it('is deployed in the region’s image for PyTorch, whose toolkit runs its program', () => {
    template.hasResourceProperties('AWS::Lambda::Function', {
      Environment: {
        Variables: {
          ...deployStep,
          SERVING_IMAGE: Match.stringLikeRegexp(
            '^763104351884\\.dkr\\.ecr\\.eu-west-1\\.amazonaws\\.com/pytorch-inference:.*-cpu-py312-',
          ),
          SERVING_ENVIRONMENT: Match.serializedJson(
            Match.objectLike({ SAGEMAKER_PROGRAM: 'inference.py' }),
          ),
        },
      },
    });
  });

  it('may bring an image, which alone its containers may pull', () => {
    const image = '123456789012.dkr.ecr.eu-central-1.amazonaws.com/teams/churn:1.4';
    const own = stackOf({ image, memoryMb: 4_096 } as Partial<ModelDefinitionInput['serving']>);
    own.hasResourceProperties('AWS::Lambda::Function', {
      Environment: {
        Variables: {
          SERVING_IMAGE: image,
          SERVING_ENVIRONMENT: '{}',
          SERVING_MEMORY_MB: '4096',
        },
      },
    });
    const pulls = Object.entries(own.findResources('AWS::IAM::Policy'))
      .filter(([id]) => id.startsWith('EndpointsServingRole'))
      .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
      .filter(({ Action }) => JSON.stringify(Action).includes('ecr:BatchGetImage'));
    expect(pulls.map(({ Resource }) => Resource)).toEqual([
      'arn:aws:ecr:eu-central-1:123456789012:repository/teams/churn',
    ]);
  });

  it('has its endpoint in service before it is measured, and hands its name on', () => {
    const text = states();
    expect(text).toMatch(/"Train":\{"Next":"DeployCandidate"|"Next":"DeployCandidate"/);
    expect(text).toContain('"endpointName.$":"$.train.TrainingJobName"');
    expect(text.match(/"endpointName\.\$":"\$\.deployment\.endpointName"/g)?.length).toBe(4);
    expect(text).toMatch(
      /"IsDeployed":\{"Type":"Choice","Choices":\[\{"Variable":"\$\.deployment\.outcome","StringEquals":"deployed","Next":"MeasureCandidate"\}\],"Default":"WaitForEndpoint"\}/,
    );
  });

  it('lets its containers read what they unpack and write their log, and nothing else', () => {
    const allowed = Object.entries(template.findResources('AWS::IAM::Policy'))
      .filter(([id]) => id.startsWith('EndpointsServingRole'))
      .flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement)
      .flatMap(({ Action }) => Action);
    expect([...new Set(allowed)].sort()).toEqual([
      'cloudwatch:PutMetricData',
      'ecr:BatchCheckLayerAvailability',
      'ecr:BatchGetImage',
      'ecr:GetAuthorizationToken',
      'ecr:GetDownloadUrlForLayer',
      'logs:CreateLogGroup',
      'logs:CreateLogStream',
      'logs:DescribeLogStreams',
      'logs:PutLogEvents',
      's3:GetObject',
      's3:GetObjectVersion',
      's3:ListBucket',
      's3:ListBucketVersions',
    ]);
  });

  it('costs nothing for its containers while nobody asks, and says what a thousand answers cost', () => {
    const rows = idlePriceRows(idlePrice(new Map([[name, stack]])));
    expect(rows).toContainEqual([
      name,
      'serverless container, asleep (1,000 predictions of 100 ms: $0.0040)',
      '1',
      '$0.00',
    ]);
    const types = Object.values(stack.Resources).map(({ Type }) => Type);
    expect(types.filter((type) => type.startsWith('AWS::SageMaker::'))).toEqual([]);
  });
});

describe('a model that ONNX Runtime answers', () => {
  it('has no step that deploys a container', () => {
    const churn = stacksOf('dev').find((one) => one.name === 'Slipway-dev-Model-Churn');
    expect(JSON.stringify(churn?.Resources)).not.toContain('SERVING_IMAGE');
    expect(JSON.stringify(churn?.Resources)).not.toContain('DeployCandidate');
  });
});
