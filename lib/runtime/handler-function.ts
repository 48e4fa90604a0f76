import { Duration, RemovalPolicy, type Size } from 'aws-cdk-lib';
import type { ISecurityGroup, IVpc } from 'aws-cdk-lib/aws-ec2';
import { Effect, Policy, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  Code,
  type ILayerVersion,
  Function as LambdaFunction,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type * as z from 'zod';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { bundleHandler } from './bundle.ts';
import { explainWildcard } from './waivers.ts';

/** Lambda sets it; every other variable of a contract is the construct's to set. */
type GivenByLambda = 'LAMBDA_TASK_ROOT';

/** Isolated subnets that a function works in. */
export interface FunctionNetwork {
  readonly vpc: IVpc;
  readonly securityGroup: ISecurityGroup;
}

export interface HandlerFunctionProps<Contract extends z.ZodObject> {
  /** `<capability>/<verb-noun>` of a file lambdas/….handler.ts. */
  readonly entry: string;
  /** The contract of the handler's environment: a variable that it does not know does not compile. */
  readonly contract: Contract;
  readonly environment: Record<Exclude<keyof z.infer<Contract>, GivenByLambda>, string>;
  readonly logRetention: RetentionDays;
  /** The model it serves; its definition is deployed beside the code. */
  readonly model?: ModelDefinition;
  readonly layers?: ILayerVersion[];
  /** @default 512 */
  readonly memoryMb?: number;
  /** @default 30 seconds */
  readonly timeout?: Duration;
  /** Size of /tmp. @default 512 MiB */
  readonly temporaryStorage?: Size;
  readonly cpu?: 'x64' | 'arm64';
  /** @default Lambda's own, which leads everywhere */
  readonly network?: FunctionNetwork;
}

/** What Lambda does in the role's name to give a function its place in a network. */
const networkInterfaceActions = [
  'ec2:AssignPrivateIpAddresses',
  'ec2:CreateNetworkInterface',
  'ec2:DeleteNetworkInterface',
  'ec2:DescribeNetworkInterfaces',
  'ec2:DescribeSubnets',
  'ec2:UnassignPrivateIpAddresses',
];

/** A handler as a Lambda function: bundled, with a log group that forgets, on Lambda's Node 24. */
export class HandlerFunction<Contract extends z.ZodObject> extends LambdaFunction {
  constructor(scope: Construct, id: string, props: HandlerFunctionProps<Contract>) {
    const logGroup = new LogGroup(scope, `${id}Logs`, {
      retention: props.logRetention,
      removalPolicy: RemovalPolicy.DESTROY,
    });
    // A role of its own that writes to its own log group, instead of the managed policy for all groups.
    const role = new Role(scope, `${id}Role`, {
      assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    });
    logGroup.grantWrite(role);
    if (props.network) letLambdaConnect(role);
    super(scope, id, {
      role,
      logGroup,
      code: Code.fromAsset(bundleHandler(props.entry, props.model)),
      handler: 'index.handler',
      runtime: Runtime.NODEJS_24_X,
      architecture: props.cpu === 'arm64' ? Architecture.ARM_64 : Architecture.X86_64,
      memorySize: props.memoryMb ?? 512,
      timeout: props.timeout ?? Duration.seconds(30),
      layers: props.layers,
      environment: props.environment,
      ephemeralStorageSize: props.temporaryStorage,
      ...(props.network
        ? { vpc: props.network.vpc, securityGroups: [props.network.securityGroup] }
        : {}),
    });
    if (props.network) keepCodeFromInterfaces(this, role);
  }
}

function letLambdaConnect(role: Role): void {
  role.addToPolicy(new PolicyStatement({ actions: networkInterfaceActions, resources: ['*'] }));
  explainWildcard(
    role,
    'Resource::*',
    'Lambda makes the network interfaces, whose names nobody knows before; the code itself is denied it',
  );
}

/** The role is the code's as well, which has no use for network interfaces. */
function keepCodeFromInterfaces(code: LambdaFunction, role: Role): void {
  // Not among the role's own policies: the function waits for those, and this one for the function.
  new Policy(code, 'NoInterfaces', {
    roles: [role],
    statements: [
      new PolicyStatement({
        effect: Effect.DENY,
        actions: networkInterfaceActions,
        resources: ['*'],
        conditions: { ArnEquals: { 'lambda:SourceFunctionArn': code.functionArn } },
      }),
    ],
  });
}
