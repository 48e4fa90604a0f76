import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { HeadBucketCommand, S3Client } from '@aws-sdk/client-s3';
import { App, CfnOutput, CfnResource, RemovalPolicy, Stack } from 'aws-cdk-lib';
import { Bucket } from 'aws-cdk-lib/aws-s3';
import { beforeAll, describe, expect, it } from 'vitest';
import { clientConfig, gapTest, temporaryFolder, useCloud } from './harness.ts';

const limitMs = 120_000;
const cli = join(import.meta.dirname, '../../../node_modules/aws-cdk/bin/cdk');
const cloud = useCloud();

/** The CDK's own command line against the laptop cloud, as a person runs it. */
async function cdk(...args: string[]): Promise<void> {
  const env = {
    PATH: process.env['PATH'],
    HOME: cloud().folder,
    CDK_DISABLE_CLI_TELEMETRY: 'true',
  };
  await promisify(execFile)(process.execPath, [cli, ...args, '--no-notices', '--ci'], {
    cwd: cloud().folder,
    env: { ...env, ...cloud().env },
  });
}

/** Deploys one stack and gives its outputs. */
async function deploy(name: string, fill: (stack: Stack) => void): Promise<Record<string, string>> {
  const outdir = temporaryFolder();
  const app = new App({ outdir, analyticsReporting: false });
  fill(new Stack(app, name));
  app.synth();
  const outputs = join(outdir, 'outputs.json');
  await cdk('deploy', '--app', outdir, '--require-approval', 'never', '--outputs-file', outputs);
  return JSON.parse(readFileSync(outputs, 'utf8'))[name];
}

beforeAll(async () => {
  await cdk('bootstrap', `aws://${cloud().accountId}/${cloud().region}`, '--app', '');
}, limitMs);

describe('the CDK command line', () => {
  it('bootstraps the laptop cloud and deploys a stack into it', { timeout: limitMs }, async () => {
    const { Name } = await deploy('WithBucket', (stack) => {
      const bucket = new Bucket(stack, 'Data', { removalPolicy: RemovalPolicy.DESTROY });
      new CfnOutput(stack, 'Name', { value: bucket.bucketName });
    });
    const s3 = new S3Client(clientConfig(cloud()));
    await expect(s3.send(new HeadBucketCommand({ Bucket: Name }))).resolves.toBeDefined();
  });

  gapTest('deploys what is only recorded here, with references as on AWS', async () => {
    const deployRecorded = (maximum: number) =>
      deploy('WithRecorded', (stack) => {
        const target = new CfnResource(stack, 'Target', {
          type: 'AWS::ApplicationAutoScaling::ScalableTarget',
          properties: {
            MaxCapacity: maximum,
            MinCapacity: 1,
            ResourceId: 'service/cluster/inference',
            ScalableDimension: 'ecs:service:DesiredCount',
            ServiceNamespace: 'ecs',
          },
        });
        const policy = new CfnResource(stack, 'Policy', {
          type: 'AWS::ApplicationAutoScaling::ScalingPolicy',
          properties: {
            PolicyName: 'cpu',
            PolicyType: 'TargetTrackingScaling',
            ScalingTargetId: target.ref,
          },
        });
        const cache = new CfnResource(stack, 'Cache', {
          type: 'AWS::ElastiCache::ServerlessCache',
          properties: { ServerlessCacheName: 'predictions', Engine: 'valkey' },
        });
        new CfnOutput(stack, 'TargetRef', { value: target.ref });
        new CfnOutput(stack, 'PolicyRef', { value: policy.ref });
        new CfnOutput(stack, 'CacheArn', { value: cache.getAtt('ARN').toString() });
        new CfnOutput(stack, 'CachePort', { value: cache.getAtt('Endpoint.Port').toString() });
      });
    const outputs = await deployRecorded(2);
    expect(outputs['TargetRef']).toBe('service/cluster/inference|ecs:service:DesiredCount|ecs');
    expect(outputs['PolicyRef']).toMatch(
      /^arn:aws:autoscaling:us-east-1:000000000000:scalingPolicy:.+:resource\/ecs\/service\/cluster\/inference:policyName\/cpu$/,
    );
    expect(outputs['CacheArn']).toBe(
      'arn:aws:elasticache:us-east-1:000000000000:serverlesscache:predictions',
    );
    expect(outputs['CachePort']).toBe('6379');
    expect(await deployRecorded(3)).toEqual(outputs);
  });
});
