// What AWS charges, and of what: the words in which a price is told.

/** A CloudFormation template, as far as prices need it. */
export interface PricedTemplate {
  readonly Resources?: Readonly<Record<string, TemplateResource>>;
}

export interface TemplateResource {
  readonly Type: string;
  readonly Properties?: Readonly<Record<string, unknown>>;
}

export interface PricedItem {
  readonly stack: string;
  readonly what: string;
  readonly count: number;
  readonly usdPerMonth: number;
}

export const hoursPerMonth = 730;

/**
 * List prices in us-east-1, in $ a month unless said otherwise, of November 2026, without free tiers (the first
 * three dashboards of an account, say). In other regions they differ by some percent.
 * https://aws.amazon.com/<service>/pricing/ says them: cloudwatch, kms, kinesis/data-streams, elasticache, privatelink, elasticloadbalancing, vpc, waf, secrets-manager.
 */
export const usd = {
  alarmMetric: 0.1,
  highResolutionAlarmMetric: 0.3,
  customMetric: 0.3,
  dashboard: 3,
  key: 1,
  /** Valkey, serverless: 0.084 a GB and hour, of which 100 MB are always paid. */
  valkeyMinimum: 0.084 * 0.1 * hoursPerMonth,
  interfaceEndpointPerZone: 0.01 * hoursPerMonth,
  loadBalancer: 0.0225 * hoursPerMonth,
  natGateway: 0.045 * hoursPerMonth,
  publicAddress: 0.005 * hoursPerMonth,
  shard: 0.015 * hoursPerMonth,
  webAcl: 5,
  webAclRule: 1,
  secret: 0.4,
} as const;
