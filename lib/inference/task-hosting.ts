import { CfnVpcLink } from 'aws-cdk-lib/aws-apigatewayv2';
import { type IVpc, Peer, Port, type SecurityGroup } from 'aws-cdk-lib/aws-ec2';
import { Cluster, type ICluster } from 'aws-cdk-lib/aws-ecs';
import {
  ApplicationListener,
  ApplicationLoadBalancer,
  ApplicationProtocol,
  DesyncMitigationMode,
  ListenerAction,
  ListenerCertificate,
  SslPolicy,
} from 'aws-cdk-lib/aws-elasticloadbalancingv2';
import { Construct } from 'constructs';
import { waive } from '../runtime/waivers.ts';
import type { ModelNetwork } from './model-network.ts';

/** Where the server listens in its task. */
export const serverPort = 8_080;

/** Of a name that leads to the load balancer, or to nothing: API Gateway only compares it. */
export interface BalancerCertificate {
  readonly arn: string;
  readonly domainName: string;
}

/** What a model's service is given of the place where tasks run. */
export interface TaskHostingAccess {
  readonly vpc: IVpc;
  readonly cluster: ICluster;
  readonly securityGroup: SecurityGroup;
  readonly listenerArn: string;
  readonly loadBalancerArn: string;
  readonly vpcLinkId: string;
  /** How API Gateway addresses the load balancer, without a slash at its end. */
  readonly url: string;
}

export interface TaskHostingProps {
  readonly environment: string;
  readonly network: ModelNetwork;
  readonly certificate?: BalancerCertificate | undefined;
}

/**
 * What the models of an environment that are served by tasks share: the cluster, one load balancer that nobody
 * outside reaches, and the link over which API Gateway asks it.
 */
export class TaskHosting extends Construct {
  readonly access: TaskHostingAccess;
  readonly tasks: SecurityGroup;

  constructor(scope: Construct, id: string, props: TaskHostingProps) {
    super(scope, id);
    const { certificate, network } = props;
    const { vpc } = network;
    const port = certificate ? 443 : 80;
    const callers = network.group('Callers', 'What API Gateway asks from');
    const balancer = network.group('Balancer', 'The load balancer before the tasks');
    this.tasks = network.group('Servers', 'Tasks that answer for models');
    callers.addEgressRule(balancer, Port.tcp(port), 'to the load balancer');
    balancer.addIngressRule(callers, Port.tcp(port), 'from API Gateway');
    balancer.addEgressRule(this.tasks, Port.tcp(serverPort), 'to the tasks');
    this.tasks.addIngressRule(balancer, Port.tcp(serverPort), 'from the load balancer');
    this.tasks.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'to AWS and its registry of images');
    const link = new CfnVpcLink(this, 'Link', {
      name: `slipway-${props.environment}`,
      subnetIds: vpc.publicSubnets.map(({ subnetId }) => subnetId),
      securityGroupIds: [callers.securityGroupId],
    });
    const cluster = new Cluster(this, 'Cluster', { vpc });
    waive(
      cluster,
      'AwsSolutions-ECS4',
      'Container Insights bills some twenty metrics a task; the servers write their own',
    );
    const loadBalancer = this.balance(network, balancer);
    const listener = this.listen(loadBalancer, certificate);
    this.access = {
      vpc,
      cluster,
      securityGroup: this.tasks,
      listenerArn: listener.listenerArn,
      loadBalancerArn: loadBalancer.loadBalancerArn,
      vpcLinkId: link.ref,
      url: certificate
        ? `https://${certificate.domainName}:443`
        : `http://${loadBalancer.loadBalancerDnsName}:80`,
    };
  }

  private balance({ vpc }: ModelNetwork, securityGroup: SecurityGroup): ApplicationLoadBalancer {
    const loadBalancer = new ApplicationLoadBalancer(this, 'LoadBalancer', {
      vpc,
      internetFacing: false,
      securityGroup,
      vpcSubnets: { subnets: vpc.publicSubnets },
      dropInvalidHeaderFields: true,
      desyncMitigationMode: DesyncMitigationMode.STRICTEST,
    });
    waive(
      loadBalancer,
      'AwsSolutions-ELB2',
      'only API Gateway asks it, which logs every request; a second log would say the same and cost again',
    );
    return loadBalancer;
  }

  private listen(
    loadBalancer: ApplicationLoadBalancer,
    certificate: BalancerCertificate | undefined,
  ): ApplicationListener {
    return new ApplicationListener(this, 'Listener', {
      loadBalancer,
      open: false,
      defaultAction: ListenerAction.fixedResponse(404, {
        contentType: 'application/json',
        messageBody: JSON.stringify({ error: 'no such model or action' }),
      }),
      ...(certificate
        ? {
            port: 443,
            protocol: ApplicationProtocol.HTTPS,
            certificates: [ListenerCertificate.fromArn(certificate.arn)],
            sslPolicy: SslPolicy.TLS13_RES,
          }
        : { port: 80, protocol: ApplicationProtocol.HTTP }),
    });
  }
}
