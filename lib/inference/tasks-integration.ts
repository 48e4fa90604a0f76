import { Aspects, Duration, type IAspect } from 'aws-cdk-lib';
import {
  CfnMethod,
  ConnectionType,
  Integration,
  type IntegrationConfig,
  IntegrationType,
  type Method,
  VpcLink,
} from 'aws-cdk-lib/aws-apigateway';
import type { IConstruct } from 'constructs';
import type { TaskHostingAccess } from './task-hosting.ts';

/** Who calls, as API Gateway has found out; what callers say of themselves is overwritten. */
const callerOf = {
  jwt: 'context.authorizer.principalId',
  iam: 'context.identity.userArn',
} as const;

/** The load balancer behind a link of the second kind, which the L2 does not know. */
class TargetLoadBalancer implements IAspect {
  private readonly arn: string;

  constructor(arn: string) {
    this.arn = arn;
  }

  visit(node: IConstruct): void {
    if (node instanceof CfnMethod)
      node.addPropertyOverride('Integration.IntegrationTarget', this.arn);
  }
}

export interface TasksIntegrationProps {
  readonly hosting: TaskHostingAccess;
  /** As of the resource, with {proxy} for what its `{proxy+}` takes. */
  readonly path: string;
  readonly auth: keyof typeof callerOf;
}

/** API Gateway asks the load balancer before a model's tasks, and passes its answer on as it is. */
export class TasksIntegration extends Integration {
  private readonly hosting: TaskHostingAccess;

  constructor({ hosting, path, auth }: TasksIntegrationProps) {
    super({
      type: IntegrationType.HTTP_PROXY,
      integrationHttpMethod: 'ANY',
      uri: `${hosting.url}${path}`,
      options: {
        timeout: Duration.seconds(29),
        requestParameters: {
          'integration.request.header.x-amzn-requestid': 'context.requestId',
          'integration.request.header.x-slipway-caller': callerOf[auth],
          ...(path.includes('{proxy}') && {
            'integration.request.path.proxy': 'method.request.path.proxy',
          }),
        },
      },
    });
    this.hosting = hosting;
  }

  override bind(method: Method): IntegrationConfig {
    const config = super.bind(method);
    const vpcLink = VpcLink.fromVpcLinkId(method, 'Link', this.hosting.vpcLinkId);
    Aspects.of(method).add(new TargetLoadBalancer(this.hosting.loadBalancerArn));
    return {
      ...config,
      integrationHttpMethod: method.httpMethod,
      options: { ...config.options, connectionType: ConnectionType.VPC_LINK, vpcLink },
    };
  }
}
