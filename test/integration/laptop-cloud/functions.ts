// Lambda functions and state machines written in a test.
import { crc32 } from 'node:zlib';
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from '@aws-sdk/client-iam';
import { CreateFunctionCommand, InvokeCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  CreateStateMachineCommand,
  DescribeExecutionCommand,
  type DescribeExecutionCommandOutput,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import type { Cloud } from '../../../local/cloud.ts';
import { clientConfig, eventually } from './harness.ts';

const roles = new WeakMap<Cloud, Promise<string>>();

/** The role that functions and state machines of a test run as unless they name another: it may do everything. */
function role(cloud: Cloud): Promise<string> {
  const made =
    roles.get(cloud) ??
    createRole(cloud, 'test', [{ Effect: 'Allow', Action: '*', Resource: '*' }]);
  roles.set(cloud, made);
  return made;
}

/** A role for functions and state machines with these statements; its ARN. */
export async function createRole(
  cloud: Cloud,
  RoleName: string,
  Statement: object[],
): Promise<string> {
  const iam = new IAMClient(clientConfig(cloud));
  const trusted = { Service: ['lambda.amazonaws.com', 'states.amazonaws.com'] };
  const AssumeRolePolicyDocument = policy([
    { Effect: 'Allow', Action: 'sts:AssumeRole', Principal: trusted },
  ]);
  const created = await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));
  if (Statement.length > 0) {
    const PolicyDocument = policy(Statement);
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: 'own', PolicyDocument }));
  }
  return created.Role?.Arn ?? '';
}

const policy = (Statement: object[]) => JSON.stringify({ Version: '2012-10-17', Statement });

/** A zip archive of the files, uncompressed. */
export function zip(files: Readonly<Record<string, string>>): Uint8Array {
  const local: Buffer[] = [];
  const central: Buffer[] = [];
  let offset = 0;
  for (const [path, text] of Object.entries(files)) {
    const name = Buffer.from(path);
    const content = Buffer.from(text);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt32LE(crc32(content), 10);
    fields.writeUInt32LE(content.length, 14);
    fields.writeUInt32LE(content.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    local.push(Buffer.from('PK\x03\x04', 'latin1'), fields, name, content);
    central.push(Buffer.from('PK\x01\x02\x14\x00', 'latin1'), fields, tail, name);
    offset += 30 + name.length + content.length;
  }
  const directory = Buffer.concat(central);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 'latin1');
  end.writeUInt16LE(central.length / 4, 8);
  end.writeUInt16LE(central.length / 4, 10);
  end.writeUInt32LE(directory.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...local, directory, end]);
}

/** A Node function whose CommonJS source is `code`; its ARN. */
export async function createFunction(
  cloud: Cloud,
  name: string,
  code: string,
  options: Partial<ConstructorParameters<typeof CreateFunctionCommand>[0]> = {},
): Promise<string> {
  const created = await new LambdaClient(clientConfig(cloud)).send(
    new CreateFunctionCommand({
      FunctionName: name,
      Runtime: 'nodejs24.x',
      Role: await role(cloud),
      Handler: 'index.handler',
      Code: { ZipFile: zip({ 'index.js': code }) },
      Timeout: 10,
      ...options,
    }),
  );
  return created.FunctionArn ?? '';
}

interface Answer {
  readonly error: string | undefined;
  // biome-ignore lint/suspicious/noExplicitAny: whatever the function of the test returns
  readonly payload: any;
  readonly log: string;
}

/** One synchronous invocation with any JSON value. */
export async function invoke(cloud: Cloud, name: string, event: unknown): Promise<Answer> {
  const answer = await new LambdaClient({ ...clientConfig(cloud), maxAttempts: 1 }).send(
    new InvokeCommand({ FunctionName: name, Payload: JSON.stringify(event), LogType: 'Tail' }),
  );
  return {
    error: answer.FunctionError,
    payload: JSON.parse(answer.Payload?.transformToString() || 'null'),
    log: Buffer.from(answer.LogResult ?? '', 'base64').toString(),
  };
}

let machines = 0;

/** A state machine of the definition; its ARN. */
export async function createMachine(
  cloud: Cloud,
  definition: object,
  roleArn?: string,
): Promise<string> {
  machines += 1;
  const created = await new SFNClient(clientConfig(cloud)).send(
    new CreateStateMachineCommand({
      name: `machine-${machines}`,
      roleArn: roleArn ?? (await role(cloud)),
      definition: JSON.stringify(definition),
    }),
  );
  return created.stateMachineArn ?? '';
}

/** Waits until the execution has ended. */
export async function ended(
  cloud: Cloud,
  executionArn: string,
): Promise<DescribeExecutionCommandOutput> {
  const sfn = new SFNClient(clientConfig(cloud));
  return eventually(async () => {
    const execution = await sfn.send(new DescribeExecutionCommand({ executionArn }));
    return execution.status === 'RUNNING' ? undefined : execution;
  });
}

/** Runs a definition once, to its end. */
export async function run(
  cloud: Cloud,
  definition: object,
  input: unknown = {},
  roleArn?: string,
): Promise<DescribeExecutionCommandOutput> {
  const stateMachineArn = await createMachine(cloud, definition, roleArn);
  const { executionArn = '' } = await new SFNClient(clientConfig(cloud)).send(
    new StartExecutionCommand({ stateMachineArn, input: JSON.stringify(input) }),
  );
  return ended(cloud, executionArn);
}

/** The execution's output, parsed. */
// biome-ignore lint/suspicious/noExplicitAny: whatever the definition of the test produces
export function output(execution: DescribeExecutionCommandOutput): any {
  return JSON.parse(execution.output ?? 'null');
}
