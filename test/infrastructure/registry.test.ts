import { describe, it } from 'vitest';
import { synthesise } from './synthesis.ts';

describe('the registry', () => {
  it('can be restored to any second, and outlives its stack', () => {
    synthesise('prod').state.hasResource('AWS::DynamoDB::GlobalTable', {
      DeletionPolicy: 'RetainExceptOnCreate',
      UpdateReplacePolicy: 'Retain',
      Properties: {
        BillingMode: 'PAY_PER_REQUEST',
        Replicas: [
          {
            PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
            DeletionProtectionEnabled: true,
          },
        ],
      },
    });
  });
});
