import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  CfnFlowLog,
  GatewayVpcEndpointAwsService,
  IpAddresses,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { AnyPrincipal, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

export interface ModelNetworkProps {
  /** Whether a model asks for a cache, and whether one is served by tasks: each has its subnets. */
  readonly cache: boolean;
  readonly tasks: boolean;
  readonly logRetention: RetentionDays;
}

/**
 * What a model's endpoint does, within this account: whatever runs in the network can bring nothing over an
 * endpoint to another's bucket, table or stream. A gateway takes an account's name for its root user alone,
 * and therefore anybody who is of it.
 */
export function withinAccount(scope: Construct, actions: string[]): PolicyStatement {
  const { account } = Stack.of(scope);
  return new PolicyStatement({
    principals: [new AnyPrincipal()],
    actions,
    resources: ['*'],
    conditions: {
      StringEquals: { 'aws:PrincipalAccount': account, 'aws:ResourceAccount': account },
    },
  });
}

/**
 * Where models lie that ask for a cache or for tasks. Nothing leads out of the two isolated subnets, which are
 * for the cache and the functions that use it, but the gateways of DynamoDB and S3, which are free. The two
 * public ones, for tasks, lead out by themselves, because a NAT gateway would cost more than the tasks.
 */
export class ModelNetwork extends Construct {
  readonly vpc: Vpc;

  constructor(scope: Construct, id: string, props: ModelNetworkProps) {
    super(scope, id);
    this.vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr('10.0.0.0/22'),
      maxAzs: 2,
      natGateways: 0,
      createInternetGateway: props.tasks,
      // What is not there keeps its addresses, so that the other stays where it is when it comes.
      subnetConfiguration: [
        {
          name: 'Isolated',
          subnetType: SubnetType.PRIVATE_ISOLATED,
          cidrMask: 24,
          reserved: !props.cache,
        },
        {
          name: 'Tasks',
          subnetType: SubnetType.PUBLIC,
          cidrMask: 24,
          mapPublicIpOnLaunch: false,
          reserved: !props.tasks,
        },
      ],
    });
    this.addGateways();
    this.logRefusals(props.logRetention);
  }

  /** Members of it reach nothing that no rule names. */
  group(name: string, description: string): SecurityGroup {
    return new SecurityGroup(this, name, { vpc: this.vpc, description, allowAllOutbound: false });
  }

  private addGateways(): void {
    const registry = this.vpc.addGatewayEndpoint('DynamoDb', {
      service: GatewayVpcEndpointAwsService.DYNAMODB,
    });
    const artifacts = this.vpc.addGatewayEndpoint('S3', {
      service: GatewayVpcEndpointAwsService.S3,
    });
    registry.addToPolicy(withinAccount(this, ['dynamodb:GetItem', 'dynamodb:Query']));
    artifacts.addToPolicy(
      withinAccount(this, [
        's3:GetObject',
        's3:GetObjectVersion',
        's3:ListBucket',
        's3:ListBucketVersions',
      ]),
    );
  }

  /** What was let through says nothing here that the endpoints' own logs do not. */
  private logRefusals(retention: RetentionDays): void {
    const logGroup = new LogGroup(this, 'FlowLogs', {
      retention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    const role = new Role(this, 'FlowLogsRole', {
      assumedBy: new ServicePrincipal('vpc-flow-logs.amazonaws.com', {
        conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(this).account } },
      }),
    });
    logGroup.grant(role, 'logs:CreateLogStream', 'logs:PutLogEvents', 'logs:DescribeLogStreams');
    const flowLog = new CfnFlowLog(this, 'FlowLog', {
      resourceType: 'VPC',
      resourceId: this.vpc.vpcId,
      trafficType: 'REJECT',
      logDestinationType: 'cloud-watch-logs',
      logDestination: logGroup.logGroupArn,
      deliverLogsPermissionArn: role.roleArn,
    });
    flowLog.node.addDependency(role);
  }
}
