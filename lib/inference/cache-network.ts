import {
  InterfaceVpcEndpointAwsService,
  type ISubnet,
  type IVpc,
  Peer,
  Port,
  type SecurityGroup,
} from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';
import { type ModelNetwork, withinAccount } from './model-network.ts';

export const valkeyPort = 6379;

/** Who gets from where to the cache, and from beside it to the prediction log. */
export class CacheNetwork extends Construct {
  readonly vpc: IVpc;
  readonly subnets: readonly ISubnet[];
  /** Of every function that uses the cache. */
  readonly functions: SecurityGroup;
  readonly cache: SecurityGroup;
  readonly #predictionLog: SecurityGroup;

  constructor(scope: Construct, id: string, network: ModelNetwork) {
    super(scope, id);
    const { vpc } = network;
    this.vpc = vpc;
    this.subnets = vpc.isolatedSubnets;
    this.functions = network.group('Functions', 'Functions that use the cache');
    this.cache = network.group('Cache', 'The cache');
    this.#predictionLog = network.group('Firehose', 'The endpoint of Firehose');
    this.admit(this.functions, 'the functions');
    // No route leads out of the subnets, so that any address means those of the endpoints.
    this.functions.addEgressRule(Peer.anyIpv4(), Port.tcp(443), 'to DynamoDB, S3 and Firehose');
    const predictionLog = vpc.addInterfaceEndpoint('PredictionLog', {
      service: InterfaceVpcEndpointAwsService.KINESIS_FIREHOSE,
      // Each zone is billed by the hour. Without this one predictions are answered and not logged.
      subnets: { subnets: vpc.isolatedSubnets.slice(0, 1) },
      securityGroups: [this.#predictionLog],
      open: false,
    });
    predictionLog.addToPolicy(withinAccount(this, ['firehose:PutRecordBatch']));
  }

  /** Lets members of a group to the cache, and to the endpoint that Firehose's name means in this network. */
  admit(group: SecurityGroup, who: string): void {
    group.addEgressRule(this.cache, Port.tcp(valkeyPort), 'to the cache');
    this.cache.addIngressRule(group, Port.tcp(valkeyPort), `from ${who}`);
    this.#predictionLog.addIngressRule(group, Port.tcp(443), `from ${who}`);
  }
}
