import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  AccessLogFormat,
  ApiKeySourceType,
  AuthorizationType,
  ContentHandling,
  EndpointType,
  type IAuthorizer,
  IdentitySource,
  type Integration,
  type IResource,
  LambdaIntegration,
  LogGroupLogDestination,
  MethodLoggingLevel,
  type MethodOptions,
  MockIntegration,
  PassthroughBehavior,
  RequestAuthorizer,
  type Resource,
  ResponseType,
  RestApi,
} from 'aws-cdk-lib/aws-apigateway';
import type { IFunction } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { aliveV1, serverMetadata } from '../../core/inference/server-metadata.ts';
import { AuthorizeCallerEnvironment } from '../../lambdas/inference/authorize-caller.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import { waive } from '../runtime/waivers.ts';
import { type CallerLimit, CallerLimits, callerKeysOf } from './caller-limits.ts';
import { Firewall, type FirewallSettings } from './firewall.ts';
import { addGatewayErrors } from './gateway-errors.ts';

export interface ModelRoutes {
  readonly model: string;
  /** Has a request answered: for the path of a resource, with {proxy} for what a `{proxy+}` takes. */
  readonly answers: (path: string) => Integration;
  readonly receiveFeedback: IFunction;
}

export type CallerAuth =
  | {
      readonly auth: 'jwt';
      readonly issuer: string;
      readonly jwksUri: string;
      readonly audience: string;
      readonly callerLimit: CallerLimit;
    }
  | { readonly auth: 'iam' };

export interface InferenceApiProps {
  readonly environment: string;
  readonly callers: CallerAuth;
  readonly firewall?: FirewallSettings | undefined;
  readonly routes: readonly ModelRoutes[];
  readonly logRetention: RetentionDays;
}

const withoutFirewall =
  'every caller is authenticated and throttled; the environment asks for no web ACL, which costs by the month';
const ownCallers = 'callers carry a JWT of their own provider or sign with IAM';
const unknownModel =
  'no such model or action: POST /v1/models/<model>:predict or :feedback, GET /v1/models/<model>, or /v2/models/<model>/…';

/** The callers' door: literal routes per model, so that access is granted per model. */
export class InferenceApi extends Construct {
  readonly api: RestApi;

  constructor(scope: Construct, id: string, props: InferenceApiProps) {
    super(scope, id);
    const accessLog = new LogGroup(this, 'AccessLog', {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    this.api = new RestApi(this, 'RestApi', {
      description: 'Predictions and feedback of every model',
      endpointTypes: [EndpointType.REGIONAL],
      // Tensors are binary, their clients name no type, and what is compressed must arrive as it was sent.
      binaryMediaTypes: ['*/*'],
      ...(props.callers.auth === 'jwt' ? { apiKeySourceType: ApiKeySourceType.AUTHORIZER } : {}),
      // Once per account and region, and so not this API's to own.
      cloudWatchRole: false,
      deployOptions: {
        stageName: 'live',
        accessLogDestination: new LogGroupLogDestination(accessLog),
        accessLogFormat: AccessLogFormat.jsonWithStandardFields(),
        loggingLevel: MethodLoggingLevel.ERROR,
        dataTraceEnabled: false,
        throttlingRateLimit: 500,
        throttlingBurstLimit: 1_000,
        tracingEnabled: true,
      },
    });
    waive(
      this.api,
      'AwsSolutions-APIG2',
      'the function checks requests and says which field is wrong; API Gateway would only say that one is',
    );
    if (props.firewall) new Firewall(this, 'Firewall', this.api, props.firewall);
    else waive(this.api, 'AwsSolutions-APIG3', withoutFirewall);
    this.addErrors(props.callers);
    const method = this.methodOptions(props);
    const models = {
      v1: this.api.root.addResource('v1').addResource('models'),
      v2: this.addServerRoutes(method),
    };
    for (const routes of props.routes) this.addModelRoutes(models, routes, method);
    if (props.callers.auth === 'iam') {
      for (const resource of [models.v1, models.v2]) this.addUnknown(resource, method);
    }
  }

  /** Who may call a method, and where the caller is counted. */
  private methodOptions(props: InferenceApiProps): MethodOptions {
    const authorizer = this.authorizer(props);
    return authorizer
      ? { authorizer, authorizationType: AuthorizationType.CUSTOM, apiKeyRequired: true }
      : { authorizationType: AuthorizationType.IAM };
  }

  private addMethod(
    resource: IResource,
    verb: string,
    ...rest: [Integration, MethodOptions]
  ): void {
    waive(resource.addMethod(verb, ...rest), 'AwsSolutions-COG4', ownCallers);
  }

  /** The same answers in both protocols, under names that are the model's alone. */
  private addModelRoutes(
    { v1, v2 }: Readonly<Record<'v1' | 'v2', IResource>>,
    { model, answers, receiveFeedback }: ModelRoutes,
    method: MethodOptions,
  ): void {
    // One permission a function, for this API alone; with one a method, an API of 20 models is no stack any more.
    const permission = { scopePermissionToMethod: false };
    const takesLabels = new LambdaIntegration(receiveFeedback, permission);
    this.addMethod(v1.addResource(model), 'GET', answers(`/v1/models/${model}`), method);
    this.addMethod(
      v1.addResource(`${model}:predict`),
      'POST',
      answers(`/v1/models/${model}:predict`),
      method,
    );
    this.addMethod(v1.addResource(`${model}:feedback`), 'POST', takesLabels, method);
    const tensors = v2.addResource(model);
    this.addMethod(tensors, 'GET', answers(`/v2/models/${model}`), method);
    const actions = tensors.addResource('{proxy+}');
    const named = { ...method, requestParameters: { 'method.request.path.proxy': true } };
    for (const verb of ['GET', 'POST']) {
      this.addMethod(actions, verb, answers(`/v2/models/${model}/{proxy}`), named);
    }
  }

  /** What clients ask before they ask a model: this gateway is the server. */
  private addServerRoutes(method: MethodOptions): Resource {
    const v2 = this.api.root.addResource('v2');
    const health = v2.addResource('health');
    const alive = { live: true, ready: true };
    this.addMock(this.api.root, 'GET', { status: '200', body: aliveV1 }, method);
    this.addMock(v2, 'GET', { status: '200', body: serverMetadata }, method);
    this.addMock(health.addResource('live'), 'GET', { status: '200', body: alive }, method);
    this.addMock(health.addResource('ready'), 'GET', { status: '200', body: alive }, method);
    return v2.addResource('models');
  }

  private addMock(
    resource: IResource,
    verb: string,
    { status, body }: { readonly status: string; readonly body: object },
    method: MethodOptions,
  ): void {
    const integration = new MockIntegration({
      passthroughBehavior: PassthroughBehavior.NEVER,
      // Every body is binary here, and a template can neither be found for one nor make one.
      contentHandling: ContentHandling.CONVERT_TO_TEXT,
      requestTemplates: { 'application/json': `{"statusCode": ${status}}` },
      integrationResponses: [
        {
          statusCode: status,
          contentHandling: ContentHandling.CONVERT_TO_TEXT,
          responseTemplates: { 'application/json': JSON.stringify(body) },
        },
      ],
    });
    const methodResponses = [{ statusCode: status }];
    this.addMethod(resource, verb, integration, { ...method, methodResponses });
  }

  /**
   * 404 for a path that no model has. Where callers sign, API Gateway would answer 403 to it, as to a
   * request without a signature. It is a route like the others: a caller who was granted single models
   * hears 403 here, and learns nothing about which others there are.
   */
  private addUnknown(models: Resource, method: MethodOptions): void {
    const error = { status: '404', body: { error: unknownModel } };
    this.addMock(models.addResource('{proxy+}'), 'ANY', error, method);
  }

  private authorizer(props: InferenceApiProps): IAuthorizer | undefined {
    const { callers, environment, logRetention } = props;
    if (callers.auth === 'iam') return undefined;
    const limit = callers.callerLimit;
    new CallerLimits(this, 'CallerLimits', { environment, limit, api: this.api });
    const handler = new HandlerFunction(this, 'AuthorizeCaller', {
      entry: 'inference/authorize-caller',
      contract: AuthorizeCallerEnvironment,
      logRetention,
      environment: {
        JWT_ISSUER: callers.issuer,
        JWT_AUDIENCE: callers.audience,
        JWKS_URI: callers.jwksUri,
        CALLER_KEYS: JSON.stringify(callerKeysOf(environment, limit)),
      },
    });
    return new RequestAuthorizer(this, 'Authorizer', {
      handler,
      identitySources: [IdentitySource.header('Authorization')],
      resultsCacheTtl: Duration.minutes(5),
    });
  }

  private addErrors({ auth }: CallerAuth): void {
    addGatewayErrors(this.api, [
      // The answer to a path that does not exist and, where callers sign, to a request that is not signed.
      auth === 'iam'
        ? {
            type: ResponseType.MISSING_AUTHENTICATION_TOKEN,
            status: '403',
            text: 'no such model or action, or the request is not signed',
          }
        : { type: ResponseType.MISSING_AUTHENTICATION_TOKEN, status: '404', text: unknownModel },
      // Only what is answered by nobody reads a body's type: this is what it says to one that is not JSON.
      { type: ResponseType.UNSUPPORTED_MEDIA_TYPE, status: '404', text: unknownModel },
    ]);
  }

  /** Base URL without a slash at its end. */
  get url(): string {
    const { region, urlSuffix } = Stack.of(this);
    return `https://${this.api.restApiId}.execute-api.${region}.${urlSuffix}/${this.api.deploymentStage.stageName}`;
  }
}
