import { describe, expect, it } from 'vitest';
import { type Resource, resourcesOf, type StackTemplate, stacksOf } from './every-environment.ts';

const stackOf = (model: string): StackTemplate => {
  const stack = stacksOf('prod').find(({ name }) => name === `Slipway-prod-Model-${model}`);
  if (!stack) throw new Error(`there is no stack of ${model}`);
  return stack;
};
const streamed = stackOf('StreamedChurn');
const one = (type: string): Resource['Properties'] =>
  resourcesOf(streamed, type)[0]?.[1].Properties;

describe('the event stream of a model', () => {
  it('is there for nobody who did not ask for it', () => {
    for (const type of ['AWS::Kinesis::Stream', 'AWS::Lambda::EventSourceMapping']) {
      const mappings = resourcesOf(stackOf('Churn'), type).filter(([id]) => /Stream/.test(id));
      expect(mappings).toEqual([]);
    }
  });

  it('has two streams, encrypted, called after the model', () => {
    const streams = resourcesOf(streamed, 'AWS::Kinesis::Stream').map(([, of]) => of.Properties);
    expect(streams.map(({ Name }) => Name).sort()).toEqual([
      'slipway-prod-streamed-churn-events',
      'slipway-prod-streamed-churn-results',
    ]);
    for (const stream of streams) {
      expect(stream).toMatchObject({
        ShardCount: 1,
        StreamEncryption: { EncryptionType: 'KMS', KeyId: 'alias/aws/kinesis' },
        StreamModeDetails: { StreamMode: 'PROVISIONED' },
      });
    }
  });

  it('goes on at the record that failed, and in the end sets it aside with what it says', () => {
    const mapping = resourcesOf(streamed, 'AWS::Lambda::EventSourceMapping')
      .map(([, of]) => of.Properties)
      .find(({ StartingPosition }) => StartingPosition !== undefined);
    expect(mapping).toMatchObject({
      StartingPosition: 'TRIM_HORIZON',
      BisectBatchOnFunctionError: true,
      FunctionResponseTypes: ['ReportBatchItemFailures'],
      MaximumRetryAttempts: 30,
    });
    // A bucket, because a queue would be told of the records only.
    expect(JSON.stringify(mapping.DestinationConfig)).toMatch(/OutputRefBucketsData|BucketsData/);
    const rule = resourcesOf(streamed, 'AWS::Events::Rule').find(([id]) => /SetAside/.test(id));
    expect(JSON.stringify(rule?.[1].Properties.Targets)).toContain('DeadLetters');
  });

  it('forgets what was published, and goes with the stack', () => {
    const table = one('AWS::DynamoDB::GlobalTable');
    expect(table).toMatchObject({
      BillingMode: 'PAY_PER_REQUEST',
      TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
    });
    const [entry] = resourcesOf(streamed, 'AWS::DynamoDB::GlobalTable');
    expect(entry?.[1]).toMatchObject({ DeletionPolicy: 'Delete' });
  });

  it('tells the bus of predictions alone', () => {
    const statements = resourcesOf(streamed, 'AWS::IAM::Policy').flatMap(
      ([, of]) => of.Properties.PolicyDocument.Statement,
    );
    const puts = statements.filter(({ Action }) => Action === 'events:PutEvents');
    expect(puts).toHaveLength(1);
    expect(puts[0].Condition).toEqual({
      StringEquals: { 'events:source': 'slipway.predictions' },
    });
  });

  it('is on the dashboard, as it is called', () => {
    const monitoring = stacksOf('prod').find(({ name }) => name === 'Slipway-prod-Monitoring');
    const text = JSON.stringify(monitoring?.Resources);
    for (const stream of ['events', 'results']) {
      expect(text).toContain(`slipway-prod-__model__-${stream}`);
    }
  });

  it('has no alarm of its own: its failures are those of the model', () => {
    const alarms = (model: string) => resourcesOf(stackOf(model), 'AWS::CloudWatch::Alarm').length;
    expect(alarms('StreamedChurn')).toBe(alarms('CachedChurn'));
  });
});
