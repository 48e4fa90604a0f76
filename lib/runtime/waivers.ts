import { type IAspect, Stack, Validations } from 'aws-cdk-lib';
import { CfnPolicy, type IGrantable, type IPrincipal } from 'aws-cdk-lib/aws-iam';
import { flattenCfnReference } from 'cdk-nag/lib/utils/flatten-cfn-reference.js';
import type { IConstruct } from 'constructs';

interface Explanation {
  /** What the wildcard ends with, as CloudFormation's text or a resolved ARN. */
  readonly ending: string;
  readonly reason: string;
}

const explanations = new WeakMap<IPrincipal, Explanation[]>();

/** Accepts one cdk-nag finding on one resource, with the reason. */
export function waive(construct: IConstruct, rule: string, reason: string): void {
  Validations.of(construct).acknowledge({ id: rule, reason });
}

/**
 * Says why a role may use a wildcard. A wildcard that nothing explains fails the synthesis.
 * @param ending what the resource or action ends with, as in `/landing/churn/*`
 */
export function explainWildcard(grantee: IGrantable, ending: string, reason: string): void {
  const known = explanations.get(grantee.grantPrincipal) ?? [];
  explanations.set(grantee.grantPrincipal, [...known, { ending, reason }]);
}

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: unknown;
}

const listOf = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value]);

/** The findings as cdk-nag names them: `Action::s3:*`, `Resource::<Bucket.Arn>/*`. */
function wildcardsOf(policy: CfnPolicy): string[] {
  const statements: Statement[] = Stack.of(policy).resolve(policy.policyDocument).Statement;
  return statements
    .filter(({ Effect }) => Effect === 'Allow')
    .flatMap(({ Action, Resource }) => [
      ...listOf(Action).map((action) => `Action::${action}`),
      ...listOf(Resource).map((resource) => `Resource::${flattenCfnReference(resource)}`),
    ])
    .filter((finding) => finding.includes('*'));
}

/** Turns each explanation into a waiver of exactly the finding that it explains. */
export class WaiveExplainedWildcards implements IAspect {
  visit(node: IConstruct): void {
    if (!(node instanceof CfnPolicy)) return;
    const role = node.node.scope?.node.scope as (IConstruct & IPrincipal) | undefined;
    const known = (role && explanations.get(role)) ?? [];
    // Only when the tree is validated are references to other stacks what they will be in the template.
    node.node.addValidation({
      validate: () => {
        for (const finding of wildcardsOf(node)) {
          const explanation = known.find(({ ending }) => finding.endsWith(ending));
          if (explanation) waive(node, `AwsSolutions-IAM5[${finding}]`, explanation.reason);
        }
        return [];
      },
    });
  }
}
