import type { RestApi } from 'aws-cdk-lib/aws-apigateway';
import { CfnWebACL, CfnWebACLAssociation } from 'aws-cdk-lib/aws-wafv2';
import { Construct } from 'constructs';

export interface FirewallSettings {
  readonly requestsPerMinuteOfAddress: number;
}

/**
 * Rules of AWS's common set that would block what is right here: tensors are binary, up to 4 MB, and a model
 * of text is asked about any text. A client without a User-Agent is no attacker either. They count.
 */
const countedRules = [
  'SizeRestrictions_BODY',
  'EC2MetaDataSSRF_BODY',
  'GenericLFI_BODY',
  'GenericRFI_BODY',
  'CrossSiteScripting_BODY',
  'NoUserAgent_HEADER',
];

const visible = (metricName: string): CfnWebACL.VisibilityConfigProperty => ({
  cloudWatchMetricsEnabled: true,
  metricName,
  sampledRequestsEnabled: true,
});

const tooMany = 'too-many';

const rateRule = (limit: number): CfnWebACL.RuleProperty => ({
  name: 'RequestsOfAnAddress',
  priority: 0,
  action: {
    block: {
      customResponse: {
        responseCode: 429,
        customResponseBodyKey: tooMany,
        responseHeaders: [{ name: 'Retry-After', value: '30' }],
      },
    },
  },
  statement: { rateBasedStatement: { aggregateKeyType: 'IP', evaluationWindowSec: 60, limit } },
  visibilityConfig: visible('RequestsOfAnAddress'),
});

const commonRules: CfnWebACL.RuleProperty = {
  name: 'CommonRules',
  priority: 1,
  overrideAction: { none: {} },
  statement: {
    managedRuleGroupStatement: {
      vendorName: 'AWS',
      name: 'AWSManagedRulesCommonRuleSet',
      ruleActionOverrides: countedRules.map((name) => ({ name, actionToUse: { count: {} } })),
    },
  },
  visibilityConfig: visible('CommonRules'),
};

/** A web ACL in front of the API: a limit for each address, and AWS's rules against what is no request. */
export class Firewall extends Construct {
  constructor(scope: Construct, id: string, api: RestApi, settings: FirewallSettings) {
    super(scope, id);
    const error = 'too many requests from this address: slow down and try again';
    const acl = new CfnWebACL(this, 'WebAcl', {
      scope: 'REGIONAL',
      defaultAction: { allow: {} },
      customResponseBodies: {
        [tooMany]: { contentType: 'APPLICATION_JSON', content: JSON.stringify({ error }) },
      },
      rules: [rateRule(settings.requestsPerMinuteOfAddress), commonRules],
      visibilityConfig: visible('WebAcl'),
    });
    new CfnWebACLAssociation(this, 'Association', {
      webAclArn: acl.attrArn,
      resourceArn: api.deploymentStage.stageArn,
    });
  }
}
