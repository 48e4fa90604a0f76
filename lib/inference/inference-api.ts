import { Duration, RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  AccessLogFormat,
  AuthorizationType,
  EndpointType,
  type IAuthorizer,
  IdentitySource,
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
import { AuthorizeCallerEnvironment } from '../../lambdas/inference/authorize-caller.contract.ts';
import { HandlerFunction } from '../runtime/handler-function.ts';
import { waive } from '../runtime/waivers.ts';

export interface ModelRoutes {
  readonly model: string;
  readonly predict: IFunction;
  readonly receiveFeedback: IFunction;
}

export type CallerAuth =
  | {
      readonly auth: 'jwt';
      readonly issuer: string;
      readonly jwksUri: string;
      readonly audience: string;
    }
  | { readonly auth: 'iam' };

export interface InferenceApiProps {
  readonly callers: CallerAuth;
  readonly routes: readonly ModelRoutes[];
  readonly logRetention: RetentionDays;
}

/** API Gateway's own answers in the protocol's form; what the caller can do about it comes along. */
const errors: [ResponseType, string, string][] = [
  [ResponseType.UNAUTHORIZED, '401', 'no valid credentials: send Authorization: Bearer <token>'],
  [ResponseType.ACCESS_DENIED, '403', 'these credentials do not allow this model and action'],
  [ResponseType.EXPIRED_TOKEN, '401', 'the credentials have expired'],
  [ResponseType.INVALID_SIGNATURE, '401', "the request's signature is not valid"],
  [ResponseType.REQUEST_TOO_LARGE, '413', 'the request is too large: send at most 4 MB'],
  [ResponseType.THROTTLED, '429', 'too many requests: slow down and try again'],
  [ResponseType.INTEGRATION_TIMEOUT, '504', 'the model did not answer in time'],
  [ResponseType.DEFAULT_5XX, '500', 'something went wrong on our side'],
];

const ownCallers = 'callers carry a JWT of their own provider or sign with IAM';
const unknownModel =
  'no such model or action: GET /v1/models/<model>, POST /v1/models/<model>:predict or :feedback';

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
      binaryMediaTypes: ['application/octet-stream'],
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
    waive(
      this.api,
      'AwsSolutions-APIG3',
      'every caller is authenticated and throttled; a web ACL is for callers who are the public',
    );
    this.addErrors(props.callers);
    const authorizer = this.authorizer(props);
    const models = this.api.root.addResource('v1').addResource('models');
    const method = authorizer
      ? { authorizer, authorizationType: AuthorizationType.CUSTOM }
      : { authorizationType: AuthorizationType.IAM };
    for (const { model, predict, receiveFeedback } of props.routes) {
      const answers = new LambdaIntegration(predict);
      const methods = [
        models.addResource(model).addMethod('GET', answers, method),
        models.addResource(`${model}:predict`).addMethod('POST', answers, method),
        models
          .addResource(`${model}:feedback`)
          .addMethod('POST', new LambdaIntegration(receiveFeedback), method),
      ];
      for (const each of methods) waive(each, 'AwsSolutions-COG4', ownCallers);
    }
    if (props.callers.auth === 'iam') this.addUnknown(models, method);
  }

  /**
   * 404 for a path that no model has. Where callers sign, API Gateway would answer 403 to it, as to a
   * request without a signature. It is a route like the others: a caller who was granted single models
   * hears 403 here, and learns nothing about which others there are.
   */
  private addUnknown(models: Resource, method: MethodOptions): void {
    const none = new MockIntegration({
      passthroughBehavior: PassthroughBehavior.NEVER,
      requestTemplates: { 'application/json': '{"statusCode": 404}' },
      integrationResponses: [
        {
          statusCode: '404',
          responseTemplates: { 'application/json': JSON.stringify({ error: unknownModel }) },
        },
      ],
    });
    const unknown = models
      .addResource('{proxy+}')
      .addMethod('ANY', none, { ...method, methodResponses: [{ statusCode: '404' }] });
    waive(unknown, 'AwsSolutions-COG4', ownCallers);
    // No other route reads a body's type: this is what the mock says to a body that is not JSON.
    this.addError(ResponseType.UNSUPPORTED_MEDIA_TYPE, '404', unknownModel);
  }

  private authorizer({ callers, logRetention }: InferenceApiProps): IAuthorizer | undefined {
    if (callers.auth === 'iam') return undefined;
    const handler = new HandlerFunction(this, 'AuthorizeCaller', {
      entry: 'inference/authorize-caller',
      contract: AuthorizeCallerEnvironment,
      logRetention,
      environment: {
        JWT_ISSUER: callers.issuer,
        JWT_AUDIENCE: callers.audience,
        JWKS_URI: callers.jwksUri,
      },
    });
    return new RequestAuthorizer(this, 'Authorizer', {
      handler,
      identitySources: [IdentitySource.header('Authorization')],
      resultsCacheTtl: Duration.minutes(5),
    });
  }

  private addErrors(callers: CallerAuth): void {
    // The answer to a path that does not exist and, where callers sign, to a request that is not signed.
    const unrouted: [ResponseType, string, string] = [
      ResponseType.MISSING_AUTHENTICATION_TOKEN,
      callers.auth === 'iam' ? '403' : '404',
      callers.auth === 'iam'
        ? 'no such model or action, or the request is not signed'
        : unknownModel,
    ];
    for (const [type, statusCode, text] of [...errors, unrouted]) {
      this.addError(type, statusCode, text);
    }
    this.api.addGatewayResponse('DEFAULT_4XX', {
      type: ResponseType.DEFAULT_4XX,
      templates: { 'application/json': '{"error":$context.error.messageString}' },
    });
  }

  private addError(type: ResponseType, statusCode: string, text: string): void {
    this.api.addGatewayResponse(type.responseType, {
      type,
      statusCode,
      templates: { 'application/json': JSON.stringify({ error: text }) },
    });
  }

  /** Base URL without a slash at its end. */
  get url(): string {
    const { region, urlSuffix } = Stack.of(this);
    return `https://${this.api.restApiId}.execute-api.${region}.${urlSuffix}/${this.api.deploymentStage.stageName}`;
  }
}
