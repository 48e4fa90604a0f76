import { ResponseType, type RestApi } from 'aws-cdk-lib/aws-apigateway';

interface GatewayError {
  readonly type: ResponseType;
  /** @default what API Gateway gives it */
  readonly status?: string;
  /** @default API Gateway's own words */
  readonly text?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

const oursToMend = 'something went wrong on our side; try again, and tell the owner if it stays so';

/** What API Gateway says itself, and what the caller can do about it. */
const errors: readonly GatewayError[] = [
  {
    type: ResponseType.UNAUTHORIZED,
    status: '401',
    text: 'no valid credentials: send Authorization: Bearer <token>',
  },
  {
    type: ResponseType.ACCESS_DENIED,
    status: '403',
    text: 'these credentials do not allow this model and action',
  },
  { type: ResponseType.EXPIRED_TOKEN, status: '401', text: 'the credentials have expired' },
  {
    type: ResponseType.INVALID_SIGNATURE,
    status: '401',
    text: "the request's signature is not valid",
  },
  {
    type: ResponseType.INVALID_API_KEY,
    status: '403',
    text: 'this caller has no limit to count on; deploy the API again',
  },
  {
    type: ResponseType.REQUEST_TOO_LARGE,
    status: '413',
    text: 'the request is too large: send at most 4 MB',
  },
  {
    type: ResponseType.THROTTLED,
    status: '429',
    text: 'too many requests: slow down and try again',
    headers: { 'Retry-After': "'1'" },
  },
  {
    type: ResponseType.QUOTA_EXCEEDED,
    status: '429',
    text: 'too many requests: slow down and try again',
    headers: { 'Retry-After': "'1'" },
  },
  {
    type: ResponseType.WAF_FILTERED,
    status: '403',
    text: "the request looks like an attack; the web ACL's log of blocked requests says by which rule",
  },
  { type: ResponseType.UNSUPPORTED_MEDIA_TYPE, status: '415' },
  { type: ResponseType.BAD_REQUEST_BODY, status: '400' },
  { type: ResponseType.BAD_REQUEST_PARAMETERS, status: '400' },
  { type: ResponseType.RESOURCE_NOT_FOUND, status: '404' },
  {
    type: ResponseType.INTEGRATION_TIMEOUT,
    status: '504',
    text: 'the model did not answer in time; try again, with fewer rows per request',
    headers: { 'Retry-After': "'1'" },
  },
  {
    type: ResponseType.INTEGRATION_FAILURE,
    status: '504',
    text: 'the model cannot be reached; try again in a few seconds',
    headers: { 'Retry-After': "'5'" },
  },
  { type: ResponseType.API_CONFIGURATION_ERROR, status: '500', text: oursToMend },
  { type: ResponseType.AUTHORIZER_FAILURE, status: '500', text: oursToMend },
  { type: ResponseType.AUTHORIZER_CONFIGURATION_ERROR, status: '500', text: oursToMend },
  // What is none of the above. A status here would be that of all of them: 502 of a function that fails.
  { type: ResponseType.DEFAULT_4XX },
  { type: ResponseType.DEFAULT_5XX, text: oursToMend },
];

/** In the protocols' form: one that sees anything else tells its user only that there was an error. */
function addError(api: RestApi, { type, status, text, headers }: GatewayError): void {
  api.addGatewayResponse(type.responseType, {
    type,
    ...(status === undefined ? {} : { statusCode: status }),
    ...(headers === undefined ? {} : { responseHeaders: headers }),
    templates: {
      'application/json':
        text === undefined
          ? '{"error":$context.error.messageString}'
          : JSON.stringify({ error: text }),
    },
  });
}

/**
 * Has the API say its own errors as its models do.
 * @param overrides of the same types, or others
 */
export function addGatewayErrors(api: RestApi, overrides: readonly GatewayError[]): void {
  const byType = new Map(
    [...errors, ...overrides].map((error) => [error.type.responseType, error] as const),
  );
  for (const error of byType.values()) addError(api, error);
}
