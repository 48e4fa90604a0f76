import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  CfnFlowLog,
  GatewayVpcEndpointAwsService,
  InterfaceVpcEndpointAwsService,
  IpAddresses,
  type ISecurityGroup,
  type IVpc,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { AnyPrincipal, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';

export const valkeyPort = 6379;

export interface CacheNetworkProps {
  readonly logRetention: RetentionDays;
}

/**
 * Two isolated subnets for a cache and the functions that use it. Nothing leads out of them but what an
 * endpoint calls: DynamoDB and S3 over gateways, which are free, and Firehose over an interface, which is not.
 */
export class CacheNetwork extends Construct {
  readonly vpc: IVpc;
  /** Of every function that uses the cache. */
  readonly functions: ISecurityGroup;
  readonly cache: ISecurityGroup;

  constructor(scope: Construct, id: string, props: CacheNetworkProps) {
    super(scope, id);
    const vpc = new Vpc(this, 'Vpc', {
      ipAddresses: IpAddresses.cidr('10.0.0.0/22'),
      maxAzs: 2,
      natGateways: 0,
      createInternetGateway: false,
      subnetConfiguration: [
        { name: 'Isolated', subnetType: SubnetType.PRIVATE_ISOLATED, cidrMask: 24 },
      ],
    });
    this.vpc = vpc;
    const group = (name: string, description: string) =>
      new SecurityGroup(this, name, { vpc, description, allowAllOutbound: false });
    this.functions = group('Functions', 'Functions that use the cache');
    this.cache = group('Cache', 'The cache');
    this.functions.addEgressRule(this.cache, Port.tcp(valkeyPort), 'to the cache');
    this.cache.addIngressRule(this.functions, Port.tcp(valkeyPort), 'from the functions');
    // No route leads out of the subnets, so that any address means those of the endpoints.
    this.functions.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'to DynamoDB, S3 and Firehose');
    this.addEndpoints(vpc, group('Firehose', 'The endpoint of Firehose'));
    this.logRefusals(vpc, props.logRetention);
  }

  /** What was let through says nothing here that the functions' own logs do not. */
  private logRefusals(vpc: Vpc, retention: RetentionDays): void {
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
      resourceId: vpc.vpcId,
      trafficType: 'REJECT',
      logDestinationType: 'cloud-watch-logs',
      logDestination: logGroup.logGroupArn,
      deliverLogsPermissionArn: role.roleArn,
    });
    flowLog.node.addDependency(role);
  }

  private addEndpoints(vpc: Vpc, firehose: SecurityGroup): void {
    firehose.addIngressRule(this.functions, Port.tcp(443), 'from the functions');
    const predictionLog = vpc.addInterfaceEndpoint('PredictionLog', {
      service: InterfaceVpcEndpointAwsService.KINESIS_FIREHOSE,
      // Each zone is billed by the hour. Without this one predictions are answered and not logged.
      subnets: { subnets: vpc.isolatedSubnets.slice(0, 1) },
      securityGroups: [firehose],
      open: false,
    });
    const registry = vpc.addGatewayEndpoint('DynamoDb', {
      service: GatewayVpcEndpointAwsService.DYNAMODB,
    });
    const artifacts = vpc.addGatewayEndpoint('S3', { service: GatewayVpcEndpointAwsService.S3 });
    predictionLog.addToPolicy(this.ofAccount(['firehose:PutRecordBatch']));
    registry.addToPolicy(this.ofAccount(['dynamodb:GetItem', 'dynamodb:Query']));
    artifacts.addToPolicy(
      this.ofAccount([
        's3:GetObject',
        's3:GetObjectVersion',
        's3:ListBucket',
        's3:ListBucketVersions',
      ]),
    );
  }

  /**
   * What an endpoint of a model does, within this account: whatever runs in here can bring nothing to
   * another's bucket, table or stream. A gateway takes an account's name for its root user alone, and
   * therefore anybody who is of it.
   */
  private ofAccount(actions: string[]): PolicyStatement {
    const { account } = Stack.of(this);
    return new PolicyStatement({
      principals: [new AnyPrincipal()],
      actions,
      resources: ['*'],
      conditions: {
        StringEquals: { 'aws:PrincipalAccount': account, 'aws:ResourceAccount': account },
      },
    });
  }
}
