import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { synthesise } from './synthesis.ts';

describe('the platform’s buckets', () => {
  const { state } = synthesise('prod');
  const buckets = Object.values(state.findResources('AWS::S3::Bucket'));

  it('are encrypted, closed to the public and kept when the stack goes', () => {
    expect(buckets).toHaveLength(3);
    for (const bucket of buckets) {
      expect(bucket['Properties'].BucketEncryption).toBeDefined();
      expect(Object.values(bucket['Properties'].PublicAccessBlockConfiguration)).toEqual([
        true,
        true,
        true,
        true,
      ]);
      expect(bucket['DeletionPolicy']).toBe('RetainExceptOnCreate');
      expect(bucket['UpdateReplacePolicy']).toBe('Retain');
    }
  });

  it('refuse plain HTTP', () => {
    const policies = Object.values(state.findResources('AWS::S3::BucketPolicy'));
    expect(policies).toHaveLength(3);
    for (const { Properties } of policies) {
      expect(JSON.stringify(Properties.PolicyDocument)).toContain('"aws:SecureTransport":"false"');
    }
  });

  it('never let go of a version that was dropped', () => {
    state.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Sid: 'LandingKeepsItsVersions',
            Effect: 'Deny',
            Action: 's3:DeleteObjectVersion',
          }),
        ]),
      },
    });
  });

  it('sweep what a training job that was stopped late leaves behind', () => {
    for (const Prefix of ['jobs/', 'checkpoints/']) {
      state.hasResourceProperties('AWS::S3::Bucket', {
        LifecycleConfiguration: {
          Rules: Match.arrayWith([
            Match.objectLike({
              Prefix,
              Status: 'Enabled',
              ExpirationInDays: 30,
              NoncurrentVersionExpiration: { NoncurrentDays: 1 },
            }),
          ]),
        },
      });
    }
  });

  it('expire nothing that was dropped', () => {
    const withEvents = buckets.find(({ Properties }) => Properties.NotificationConfiguration);
    expect(withEvents?.['Properties'].NotificationConfiguration).toEqual({
      EventBridgeConfiguration: { EventBridgeEnabled: true },
    });
    const rules: Record<string, unknown>[] =
      withEvents?.['Properties'].LifecycleConfiguration.Rules;
    expect(rules.filter((rule) => 'ExpirationInDays' in rule)).toEqual([]);
  });
});
