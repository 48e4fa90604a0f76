import { RemovalPolicy, Stack, type StackProps } from 'aws-cdk-lib';
import { CfnAccount } from 'aws-cdk-lib/aws-apigateway';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Construct } from 'constructs';
import { waive } from '../runtime/waivers.ts';

/**
 * What exists once per account and region, whichever environments share it: every environment deploys the
 * same template, and removing one takes nothing from the others.
 */
export class AccountStack extends Stack {
  constructor(scope: Construct, id: string, props: StackProps) {
    super(scope, id, props);
    // API Gateway refuses a stage that logs where its account has no role to write logs with.
    const role = new Role(this, 'ApiLogsRole', {
      description: 'API Gateway writes the logs of every API of this account and region',
      assumedBy: new ServicePrincipal('apigateway.amazonaws.com'),
      managedPolicies: [
        ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonAPIGatewayPushToCloudWatchLogs'),
      ],
    });
    waive(
      role,
      'AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]',
      "API Gateway's own policy for a role that all APIs of the account and region share",
    );
    const account = new CfnAccount(this, 'ApiLogs', { cloudWatchRoleArn: role.roleArn });
    // Other APIs of the account may have come to rely on them.
    role.applyRemovalPolicy(RemovalPolicy.RETAIN);
    account.applyRemovalPolicy(RemovalPolicy.RETAIN);
    account.node.addDependency(role);
  }
}
