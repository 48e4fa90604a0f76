import { type App, Stack } from 'aws-cdk-lib';
import { describe, expect, it } from 'vitest';
import { slipwayApp } from '../../lib/stacks/slipway-app.ts';
import flightDelay from '../../models/flight-delay/model.ts';
import { environmentOnAws, synthesise } from './synthesis.ts';

describe("the account's stack", () => {
  const { account, api } = synthesise('prod');

  it('lets API Gateway write logs in an account that never had an API', () => {
    account.resourceCountIs('AWS::ApiGateway::Account', 1);
    account.hasResourceProperties('AWS::IAM::Role', {
      AssumeRolePolicyDocument: {
        Statement: [{ Principal: { Service: 'apigateway.amazonaws.com' } }],
      },
    });
    api.resourceCountIs('AWS::ApiGateway::Account', 0);
  });

  it('takes nothing from other APIs of the account when it is removed', () => {
    for (const resource of Object.values(account.toJSON().Resources)) {
      expect(resource).toMatchObject({ DeletionPolicy: 'Retain', UpdateReplacePolicy: 'Retain' });
    }
  });

  it('is the same for every environment that shares the account, so that deployments do not fight over it', () => {
    const ofDev = synthesise('dev').account.toJSON();
    expect(ofDev).toEqual(account.toJSON());
    expect(JSON.stringify(ofDev)).not.toMatch(/"(dev|prod)"/);
  });

  it('is there before the API, and nothing refers to it, so that environments come and go freely', () => {
    const app: App = slipwayApp(environmentOnAws('dev'), [flightDelay], undefined);
    const stack = app.node.findChild('Slipway-dev-Api') as Stack;
    expect(stack.dependencies.map(({ stackName }) => stackName)).toContain('Slipway-Account');
    expect(account.toJSON().Outputs ?? {}).toEqual({});
  });

  it('carries no tag of an environment, where every other stack does', () => {
    const app = slipwayApp(environmentOnAws('dev'), [flightDelay], undefined);
    const tagged = (stack: Stack) => stack.tags.tagValues()['slipway:environment'];
    app.synth();
    const stacks = app.node.children.filter((child) => Stack.isStack(child));
    expect(stacks.length).toBeGreaterThan(3);
    for (const stack of stacks) {
      expect(tagged(stack)).toBe(stack.stackName === 'Slipway-Account' ? undefined : 'dev');
    }
  });
});
