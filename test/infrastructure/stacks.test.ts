import { spawnSync } from 'node:child_process';
import { Stack } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { describe, expect, it } from 'vitest';
import { readEnvironment } from '../../config/environments.ts';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import { synthesise } from './synthesis.ts';

const alwaysOn = [
  'AWS::EC2::NatGateway',
  'AWS::EC2::VPC',
  'AWS::ECS::Service',
  'AWS::ElastiCache::ServerlessCache',
  'AWS::Kinesis::Stream',
  'AWS::SageMaker::Endpoint',
  'AWS::ElasticLoadBalancingV2::LoadBalancer',
];

describe.each(['dev', 'prod'] as const)('the stacks of %s', (environment) => {
  const synthesis = synthesise(environment);
  const templates = [synthesis.state, synthesis.flightDelay, synthesis.churn, synthesis.api];

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
