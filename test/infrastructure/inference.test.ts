import { App, Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { LambdaIntegration, ResponseType } from 'aws-cdk-lib/aws-apigateway';
import { Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { RetentionDays } from 'aws-cdk-lib/aws-logs';
import { describe, expect, it } from 'vitest';
import { CallerKeys, keyOfCaller } from '../../core/inference/callers/caller-key.ts';
import { ApiStack } from '../../lib/stacks/api-stack.ts';
import { callersWithTokens, resourcesOf, stacksOf } from './every-environment.ts';
import { synthesise } from './synthesis.ts';

describe("the callers' API", () => {
  const { api, flightDelay } = synthesise('prod');

  it('has literal routes per model, so that IAM can grant one model', () => {
    const parts = Object.values(api.findResources('AWS::ApiGateway::Resource')).map(
      ({ Properties }) => Properties.PathPart,
    );
    expect(parts.sort()).toEqual([
      'churn',
      'churn',
      'churn:feedback',
      'churn:predict',
      'flight-delay',
      'flight-delay',
      'flight-delay:feedback',
      'flight-delay:predict',
      'health',
      'live',
      'models',
      'models',
      'ready',
      'v1',
      'v2',
      '{proxy+}',
      '{proxy+}',
      '{proxy+}',
      '{proxy+}',
    ]);
  });

  it('lets nobody in without credentials', () => {
    const methods = Object.values(api.findResources('AWS::ApiGateway::Method'));
    // Of each model six, of the server four, and two for what no model has.
    expect(methods).toHaveLength(2 * 6 + 4 + 2);
    for (const { Properties } of methods) expect(Properties.AuthorizationType).toBe('AWS_IAM');
  });

  it('answers 404 to a path that no model has, whatever is sent to it', () => {
    api.hasResourceProperties('AWS::ApiGateway::Method', {
      HttpMethod: 'ANY',
      AuthorizationType: 'AWS_IAM',
      Integration: {
        Type: 'MOCK',
        PassthroughBehavior: 'NEVER',
        ContentHandling: 'CONVERT_TO_TEXT',
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

  it("says each of its own errors in the protocols' form", () => {
    const responses = Object.values(api.findResources('AWS::ApiGateway::GatewayResponse'));
    const types = responses.map(({ Properties }) => Properties.ResponseType);
    const all = Object.values(ResponseType).map((type: ResponseType) => type.responseType);
    expect(types.sort()).toEqual(all.sort());
    for (const { Properties } of responses) {
      expect(Object.keys(Properties.ResponseTemplates)).toEqual(['application/json']);
      const template = Properties.ResponseTemplates['application/json'];
      const body = template.replace('$context.error.messageString', '"Forbidden"');
      expect(JSON.parse(body)).toEqual({ error: expect.stringMatching(/./) });
    }
    // Its own status of what falls under them: 502 of a function that fails is none of 500.
    for (const { Properties } of responses) {
      if (/^DEFAULT/.test(Properties.ResponseType)) expect(Properties.StatusCode).toBeUndefined();
      else expect(Properties.StatusCode).toMatch(/^[45]\d\d$/);
    }
  });

  it('takes any body as it is, and answers for itself where a client asks for the server', () => {
    api.hasResourceProperties('AWS::ApiGateway::RestApi', { BinaryMediaTypes: ['*/*'] });
    const answers = Object.values(api.findResources('AWS::ApiGateway::Method'))
      .filter(({ Properties: { Integration, HttpMethod } }) => {
        return Integration.Type === 'MOCK' && HttpMethod === 'GET';
      })
      .map(({ Properties: { Integration } }) => {
        const [answer] = Integration.IntegrationResponses;
        expect([Integration.ContentHandling, answer.ContentHandling]).toEqual([
          'CONVERT_TO_TEXT',
          'CONVERT_TO_TEXT',
        ]);
        return JSON.parse(answer.ResponseTemplates['application/json']);
      });
    expect(answers).toHaveLength(4);
    expect(answers).toEqual(
      expect.arrayContaining([
        { name: 'slipway', version: expect.any(String), extensions: ['binary_tensor_data'] },
        { live: true, ready: true },
        { status: 'alive' },
      ]),
    );
  });

  it('is one stack with 25 models, which may have 500 resources', () => {
    const app = new App();
    const handlers = new Stack(app, 'Handlers');
    const code = {
      code: Code.fromInline('//'),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_LATEST,
    };
    const handler = (name: string) => new LambdaFunction(handlers, name, code);
    const routes = Array.from({ length: 25 }, (_, n) => {
      const predict = new LambdaIntegration(handler(`Predict${n}`), {
        scopePermissionToMethod: false,
      });
      return {
        model: `model-${n}`,
        answers: () => predict,
        receiveFeedback: handler(`Feedback${n}`),
      };
    });
    const door = new ApiStack(app, 'Api', {
      environment: 'staging',
      callers: callersWithTokens,
      routes,
      logRetention: RetentionDays.ONE_WEEK,
    });
    const { Resources } = Template.fromStack(door).toJSON();
    expect(Object.keys(Resources).length).toBeLessThanOrEqual(500);
    expect(Object.keys(Resources).length).toBeGreaterThan(25 * 12);
  });

  it('answers from x86-64 functions, within the time of the gateway', () => {
    flightDelay.hasResourceProperties('AWS::Lambda::Function', {
      Architectures: ['x86_64'],
      Timeout: 25,
      MemorySize: 1769,
    });
  });
});

describe('a caller with a token', () => {
  const stack = stacksOf('staging').find(({ name }) => name.endsWith('-Api'));
  if (!stack) throw new Error('there is no API');
  const { Resources } = stack;
  const of = (type: string) => resourcesOf(stack, type).map(([, { Properties }]) => Properties);

  it('is counted on the key that the authoriser names, and on no other', () => {
    expect(of('AWS::ApiGateway::RestApi')).toMatchObject([{ ApiKeySourceType: 'AUTHORIZER' }]);
    for (const method of of('AWS::ApiGateway::Method')) {
      expect(method).toMatchObject({ AuthorizationType: 'CUSTOM', ApiKeyRequired: true });
    }
    const authoriser = of('AWS::Lambda::Function').find(
      ({ Environment }) => Environment.Variables.CALLER_KEYS,
    );
    const keys = CallerKeys.parse(JSON.parse(authoriser.Environment.Variables.CALLER_KEYS));
    const known = of('AWS::ApiGateway::ApiKey').map(({ Value }) => Value);
    expect(new Set(known).size).toBe(known.length);
    const callers = ['billing', ...Array.from({ length: 500 }, (_, n) => `caller-${n}`)];
    // Whoever it is, there is a key; and each key is somebody's.
    expect(new Set(callers.map((caller) => keyOfCaller(keys, caller)))).toEqual(new Set(known));
  });

  it('has the limit of its environment, or its own', () => {
    const limitOf = (caller: string): unknown => {
      const keys = { environment: 'staging', shared: 32, named: ['billing'] };
      const value = keyOfCaller(keys, caller);
      const [key] = Object.entries(Resources).find(([, { Properties }]) => {
        return Properties?.Value === value;
      }) ?? [''];
      const plans = of('AWS::ApiGateway::UsagePlanKey').filter(({ KeyId }) => KeyId.Ref === key);
      expect(plans).toHaveLength(1);
      const { Throttle, ApiStages } = Resources[plans[0].UsagePlanId.Ref]?.Properties ?? {};
      expect(ApiStages).toHaveLength(1);
      return Throttle;
    };
    expect(limitOf('billing')).toEqual({ RateLimit: 200, BurstLimit: 400 });
    expect(limitOf('anybody')).toEqual({ RateLimit: 20, BurstLimit: 40 });
  });
});

describe('the web ACL', () => {
  const { api } = synthesise('prod');

  it('is in front of prod alone', () => {
    api.resourceCountIs('AWS::WAFv2::WebACLAssociation', 1);
    synthesise('dev').api.resourceCountIs('AWS::WAFv2::WebACL', 0);
  });

  it("limits an address, says so in the protocols' form, and blocks no tensor", () => {
    const [acl] = Object.values(api.findResources('AWS::WAFv2::WebACL'));
    const [rate, common] = acl?.['Properties'].Rules ?? [];
    expect(rate.Statement.RateBasedStatement).toMatchObject({
      AggregateKeyType: 'IP',
      EvaluationWindowSec: 60,
      Limit: 12_000,
    });
    const { ResponseCode, CustomResponseBodyKey } = rate.Action.Block.CustomResponse;
    const body = acl?.['Properties'].CustomResponseBodies[CustomResponseBodyKey];
    expect(ResponseCode).toBe(429);
    expect(JSON.parse(body.Content)).toEqual({ error: expect.stringContaining('too many') });
    const counted = common.Statement.ManagedRuleGroupStatement.RuleActionOverrides;
    for (const { ActionToUse } of counted) expect(ActionToUse).toEqual({ Count: {} });
    // Every rule of the set that looks into bodies, as AWS lists them.
    expect(counted.map(({ Name }: { Name: string }) => Name)).toEqual(
      expect.arrayContaining([
        'SizeRestrictions_BODY',
        'EC2MetaDataSSRF_BODY',
        'GenericLFI_BODY',
        'GenericRFI_BODY',
        'CrossSiteScripting_BODY',
      ]),
    );
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

describe('what scores whole files', () => {
  const { flightDelay } = synthesise('prod');

  it('may write nowhere where a drop starts it: it never starts itself', () => {
    const policies = Object.entries(flightDelay.findResources('AWS::IAM::Policy')).filter(([id]) =>
      id.startsWith('Batch'),
    );
    const written = policies.flatMap(([, { Properties }]) =>
      Properties.PolicyDocument.Statement.filter(({ Action }: { Action: string | string[] }) =>
        [Action].flat().includes('s3:PutObject'),
      ).flatMap(({ Resource }: { Resource: unknown }) => JSON.stringify([Resource].flat())),
    );
    expect(written.length).toBeGreaterThanOrEqual(3);
    for (const resource of written) {
      expect(resource).toContain('/batch-predictions/flight-delay/*');
      expect(resource).not.toContain('/batch/');
    }
    const [drop] = Object.entries(flightDelay.findResources('AWS::Events::Rule')).filter(([id]) =>
      id.startsWith('BatchDrop'),
    );
    expect(drop?.[1]['Properties'].EventPattern.detail.object.key).toEqual([
      { prefix: 'batch/flight-delay/' },
    ]);
  });

  it('leaves what could not be started or told in the dead-letter queue', () => {
    const rules = Object.entries(flightDelay.findResources('AWS::Events::Rule')).filter(([id]) =>
      id.startsWith('Batch'),
    );
    expect(rules).toHaveLength(2);
    for (const [, { Properties }] of rules) {
      expect(Properties.Targets[0].DeadLetterConfig).toBeDefined();
    }
  });
});
