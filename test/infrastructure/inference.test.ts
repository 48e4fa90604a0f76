import { Match } from 'aws-cdk-lib/assertions';
import { describe, expect, it } from 'vitest';
import { synthesise } from './synthesis.ts';

describe("the callers' API", () => {
  const { api, flightDelay } = synthesise('prod');

  it('has literal routes per model, so that IAM can grant one model', () => {
    const parts = Object.values(api.findResources('AWS::ApiGateway::Resource')).map(
      ({ Properties }) => Properties.PathPart,
    );
    expect(parts.sort()).toEqual([
      'churn',
      'churn:feedback',
      'churn:predict',
      'flight-delay',
      'flight-delay:feedback',
      'flight-delay:predict',
      'models',
      'v1',
      '{proxy+}',
    ]);
  });

  it('lets nobody in without credentials', () => {
    const methods = Object.values(api.findResources('AWS::ApiGateway::Method'));
    expect(methods).toHaveLength(7);
    for (const { Properties } of methods) expect(Properties.AuthorizationType).toBe('AWS_IAM');
  });

  it('answers 404 to a path that no model has, whatever is sent to it', () => {
    api.hasResourceProperties('AWS::ApiGateway::Method', {
      HttpMethod: 'ANY',
      AuthorizationType: 'AWS_IAM',
      Integration: {
        Type: 'MOCK',
        PassthroughBehavior: 'NEVER',
        RequestTemplates: { 'application/json': '{"statusCode": 404}' },
        IntegrationResponses: [
          {
            StatusCode: '404',
            ResponseTemplates: {
              'application/json': Match.stringLikeRegexp('^{"error":"no such model'),
            },
          },
        ],
      },
      MethodResponses: [{ StatusCode: '404' }],
    });
    api.hasResourceProperties('AWS::ApiGateway::GatewayResponse', {
      ResponseType: 'UNSUPPORTED_MEDIA_TYPE',
      StatusCode: '404',
    });
  });

  it("says its own errors in the protocol's form", () => {
    for (const { Properties } of Object.values(
      api.findResources('AWS::ApiGateway::GatewayResponse'),
    )) {
      expect(Properties.ResponseTemplates['application/json']).toMatch(/^\{"error":/);
    }
  });

  it('answers from x86-64 functions, within the time of the gateway', () => {
    flightDelay.hasResourceProperties('AWS::Lambda::Function', {
      Architectures: ['x86_64'],
      Timeout: 25,
      MemorySize: 1769,
    });
  });
});

describe('the function that measures a candidate', () => {
  it('is like the one that would serve it: memory, processor, runtime, layers', () => {
    const { flightDelay } = synthesise('prod');
    const functions = Object.entries(flightDelay.findResources('AWS::Lambda::Function'));
    const configurationOf = (name: string) => {
      const [, found] = functions.find(([id]) => id.startsWith(`Endpoint${name}`)) ?? [];
      const { Architectures, Layers, MemorySize, Runtime } = found?.['Properties'] ?? {};
      return { Architectures, Layers, MemorySize, Runtime };
    };
    const serving = configurationOf('Predict');
    expect(serving.MemorySize).toBe(1_769);
    expect(serving.Layers).toHaveLength(1);
    expect(configurationOf('MeasureCandidate')).toEqual(serving);
  });
});
