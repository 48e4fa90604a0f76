import { RemovalPolicy, Stack } from 'aws-cdk-lib';
import {
  FlowLogDestination,
  FlowLogTrafficType,
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
  type VpcEndpoint,
} from 'aws-cdk-lib/aws-ec2';
import { AnyPrincipal, PolicyStatement } from 'aws-cdk-lib/aws-iam';
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
    const logGroup = new LogGroup(this, 'FlowLogs', {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // What was let through says nothing here that the functions' own logs do not.
    vpc.addFlowLog('FlowLog', {
      destination: FlowLogDestination.toCloudWatchLogs(logGroup),
      trafficType: FlowLogTrafficType.REJECT,
    });
  }

  private addEndpoints(vpc: Vpc, firehose: SecurityGroup): void {
    firehose.addIngressRule(this.functions, Port.tcp(443), 'from the functions');
    const endpoints = [
      vpc.addGatewayEndpoint('DynamoDb', { service: GatewayVpcEndpointAwsService.DYNAMODB }),
      vpc.addGatewayEndpoint('S3', { service: GatewayVpcEndpointAwsService.S3 }),
      vpc.addInterfaceEndpoint('PredictionLog', {
        service: InterfaceVpcEndpointAwsService.KINESIS_FIREHOSE,
        // Each zone is billed by the hour. Without this one predictions are answered and not logged.
        subnets: { subnets: vpc.isolatedSubnets.slice(0, 1) },
        securityGroups: [firehose],
        open: false,
      }),
    ];
    for (const endpoint of endpoints) this.keepInAccount(endpoint);
  }

  /** Whatever runs in here can bring nothing to another account's bucket, table or stream. */
  private keepInAccount(endpoint: VpcEndpoint & { addToPolicy(statement: PolicyStatement): void }) {
    const { account } = Stack.of(this);
    endpoint.addToPolicy(
      new PolicyStatement({
        principals: [new AnyPrincipal()],
        actions: ['*'],
        resources: ['*'],
        conditions: {
          StringEquals: { 'aws:PrincipalAccount': account, 'aws:ResourceAccount': account },
        },
      }),
    );
  }
}
