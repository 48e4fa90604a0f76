import { spawnSync } from 'node:child_process';
import { type App, Stack } from 'aws-cdk-lib';
import { Template } from 'aws-cdk-lib/assertions';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { describe, expect, it } from 'vitest';
import { readEnvironment } from '../../config/environments.ts';
import { defineModel } from '../../core/model/define-model.ts';
import { trainingJobName } from '../../core/training/training-plan.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import { aModelDefinition } from '../builders/model-definition.ts';
import { environmentOnAws, synthesise } from './synthesis.ts';

const churn = defineModel(aModelDefinition());

const alwaysOn = [
  'AWS::EC2::NatGateway',
  'AWS::EC2::VPC',
  'AWS::ECS::Service',
  'AWS::ElastiCache::ServerlessCache',
  'AWS::Kinesis::Stream',
  'AWS::SageMaker::Endpoint',
  'AWS::ElasticLoadBalancingV2::LoadBalancer',
];

describe.each(['dev', 'staging', 'prod'] as const)('the stacks of %s', (environment) => {
  const synthesis = synthesise(environment);
  const { state, flightDelay, churn, api, monitoring } = synthesis;
  const templates = [state, flightDelay, churn, api, monitoring];

  // W3005 is about dependencies that CDK writes twice.
  it('have no finding of cfn-lint', () => {
    const lint = spawnSync(
      '.venv/local/bin/cfn-lint',
      ['--region', 'eu-west-1', '--ignore-checks', 'W3005', '--', ...synthesis.templateFiles],
      {
        encoding: 'utf8',
      },
    );
    expect(lint.error).toBeUndefined();
    expect(lint.stdout).toBe('');
    expect(lint.status).toBe(0);
  });

  it('hold nothing that costs while nobody asks', () => {
    for (const template of templates) {
      for (const type of alwaysOn) template.resourceCountIs(type, 0);
    }
  });

  it('grant no action by wildcard', () => {
    const wild = templates.flatMap((template) =>
      Object.values(template.findResources('AWS::IAM::Policy')).flatMap(({ Properties }) =>
        Properties.PolicyDocument.Statement.flatMap(({ Action }: { Action: string | string[] }) =>
          [Action].flat().filter((action) => action.includes('*')),
        ),
      ),
    );
    expect(wild).toEqual([]);
  });

  it('run every function on Node 24 with a log group that forgets', () => {
    for (const template of templates) {
      for (const { Properties } of Object.values(template.findResources('AWS::Lambda::Function'))) {
        expect(Properties.Runtime).toBe('nodejs24.x');
        expect(Properties.LoggingConfig.LogGroup).toBeDefined();
      }
      for (const { Properties } of Object.values(template.findResources('AWS::Logs::LogGroup'))) {
        expect(Properties.RetentionInDays).toBeLessThanOrEqual(365);
      }
    }
  });

  it("keep models apart: no role of one model's stack names another model's objects", () => {
    const text = JSON.stringify(synthesis.churn.findResources('AWS::IAM::Policy'));
    expect(text).toContain('/landing/churn/*');
    expect(text).not.toContain('flight-delay');
  });
});

describe('an environment', () => {
  const stacksOf = (changes: object, models = [churn]) =>
    slipwayApp({ ...environmentOnAws('dev'), ...changes }, models, undefined);
  const template = (app: App, name: string) =>
    Template.fromStack(app.node.findChild(`Slipway-dev-${name}`) as Stack);

  it('asks for no more memory than a young account has, and for more where it says so', () => {
    const memory = (of: Template) =>
      Object.entries(of.findResources('AWS::Lambda::Function')).map(
        ([id, { Properties }]) => [id, Properties.MemorySize] as const,
      );
    for (const [, size] of memory(synthesise('prod').flightDelay)) {
      expect(size).toBeLessThanOrEqual(3_008);
    }
    const larger = memory(template(stacksOf({ pipelineMemoryMb: 8_192 }), 'Model-Churn'))
      .filter(([, size]) => size === 8_192)
      .map(([id]) => id);
    expect(larger).toEqual([
      expect.stringContaining('TakeSnapshot'),
      expect.stringContaining('ValidateSnapshot'),
      expect.stringContaining('BuildFeatures'),
      expect.stringContaining('EvaluateCandidate'),
      expect.stringContaining('PlanBatch'),
      expect.stringContaining('ScoreShard'),
      expect.stringContaining('JoinLabels'),
    ]);
  });

  it('with tokens leaves a path that no model has to API Gateway, which answers 404', () => {
    const callerLimit = { requestsPerSecond: 20, burst: 40, named: {} };
    const issuer = { issuer: 'https://id', jwksUri: 'https://id/keys', audience: 'a' };
    const api = { auth: 'jwt', ...issuer, callerLimit };
    const door = template(stacksOf({ api }), 'Api');
    door.resourcePropertiesCountIs('AWS::ApiGateway::Method', { HttpMethod: 'ANY' }, 0);
    door.hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
      ResponseType: 'MISSING_AUTHENTICATION_TOKEN',
      StatusCode: '404',
    });
  });

  it.each([
    ['ab-1', 'ab1'],
    ['ab1', 'a-b1'],
    ['twice', 'twice'],
  ])('refuses two models that would be one stack: %s and %s', (one, other) => {
    const models = [one, 'churn', other].map((name) => defineModel(aModelDefinition({ name })));
    expect(() => stacksOf({}, models)).toThrow(
      expect.objectContaining({
        name: 'InvalidDocumentError',
        problems: [expect.stringContaining(`'${one}' and '${other}' would be the same stack`)],
      }),
    );
  });
});

describe("a pipeline's right to run training jobs", () => {
  it('is for its own jobs, and not for those of a model whose name begins alike', () => {
    const statements = Object.values(synthesise('prod').churn.findResources('AWS::IAM::Policy'))
      .flatMap(({ Properties }) => Properties.PolicyDocument.Statement)
      .filter(({ Action }) => [Action].flat().includes('sagemaker:CreateTrainingJob'));
    expect(statements).toHaveLength(1);
    const pattern = JSON.stringify(statements[0].Resource).match(/training-job\/([a-z?*-]+)/)?.[1];
    const allows = (job: string) =>
      new RegExp(`^${pattern?.replaceAll('*', '.*').replaceAll('?', '.')}$`).test(job);
    const jobOf = (model: string) =>
      trainingJobName(model, 'ab'.repeat(32), `${model}-20260301T110000-00000a`);
    expect(allows(jobOf('churn'))).toBe(true);
    for (const other of ['churn-eu', 'churn-1', 'churns']) expect(allows(jobOf(other))).toBe(false);
  });
});

describe('cdk-nag', () => {
  const app = () => slipwayApp(readEnvironment({ SLIPWAY_ENVIRONMENT: 'dev' }), [], undefined);

  it('accepts the stacks', () => {
    expect(() => app().synth()).not.toThrow();
  });

  it('watches: a bucket without TLS fails the synthesis', () => {
    const planted = app();
    new Bucket(new Stack(planted, 'Planted'), 'Bucket');
    expect(() => planted.synth()).toThrow();
  });
});
