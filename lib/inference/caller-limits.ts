import { ApiKey, type RestApi, UsagePlan } from 'aws-cdk-lib/aws-apigateway';
import { Construct } from 'constructs';
import { type CallerKeys, namedKey, sharedKey } from '../../core/inference/callers/caller-key.ts';

/** A bucket of tokens: what is over it is answered 429. */
export interface RequestLimit {
  readonly requestsPerSecond: number;
  readonly burst: number;
}

export interface CallerLimit extends RequestLimit {
  /** Callers, as their tokens name them (`sub`, or `client_id`), with a limit of their own. */
  readonly named: Readonly<Record<string, RequestLimit>>;
}

/** Callers without a limit of their own are spread over so many, so that one that is too loud is heard by few. */
const sharedKeys = 32;

export const callerKeysOf = (environment: string, { named }: CallerLimit): CallerKeys => ({
  environment,
  shared: sharedKeys,
  named: Object.keys(named),
});

export interface CallerLimitsProps {
  readonly environment: string;
  readonly limit: CallerLimit;
  readonly api: RestApi;
}

/** The usage plans and keys by which API Gateway counts each caller's requests; the authoriser names the key. */
export class CallerLimits extends Construct {
  constructor(scope: Construct, id: string, { environment, limit, api }: CallerLimitsProps) {
    super(scope, id);
    const planOf = (name: string, { requestsPerSecond, burst }: RequestLimit, keys: string[]) => {
      const plan = new UsagePlan(this, `Plan-${name}`, {
        throttle: { rateLimit: requestsPerSecond, burstLimit: burst },
        apiStages: [{ api, stage: api.deploymentStage }],
      });
      // Counted by key: they share the plan and not what it allows.
      for (const value of keys) plan.addApiKey(new ApiKey(this, value, { value }));
    };
    planOf(
      'shared',
      limit,
      Array.from({ length: sharedKeys }, (_, index) => sharedKey(environment, index)),
    );
    for (const [caller, own] of Object.entries(limit.named)) {
      const key = namedKey(environment, caller);
      planOf(key, own, [key]);
    }
  }
}
