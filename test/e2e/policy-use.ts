// What the roles of the deployed stacks may do, against what they did: the laptop cloud keeps every call.
import {
  CloudFormationClient,
  paginateDescribeStacks,
  paginateListStackResources,
} from '@aws-sdk/client-cloudformation';
import {
  GetRolePolicyCommand,
  IAMClient,
  type IAMClientConfig,
  paginateListRolePolicies,
} from '@aws-sdk/client-iam';

export interface Call {
  /** ARN of the role, user or account; null for an anonymous caller. */
  readonly principal: string | null;
  readonly action: string;
  readonly resource: string;
  readonly allowed: boolean;
  readonly count: number;
}

export interface Grant {
  readonly action: string;
  /** With * and ?, as IAM has them. */
  readonly resources: readonly string[];
}

export interface RoleUse {
  /** Stack and logical id without its hash, as in `Model-FlightDelay TrainingJobJobRole`. */
  readonly role: string;
  readonly grants: readonly Grant[];
  readonly calls: readonly Call[];
}

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: string | string[];
}

const listOf = <T>(value: T | T[]): T[] => (Array.isArray(value) ? value : [value]);

/** IAM's wildcards; case matters in a resource only. */
function matches(pattern: string, value: string, flags = ''): boolean {
  const escaped = pattern.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '.*').replaceAll('?', '.')}$`, flags).test(value);
}

async function grantsOf(iam: IAMClient, RoleName: string): Promise<Grant[]> {
  const grants: Grant[] = [];
  for await (const { PolicyNames } of paginateListRolePolicies({ client: iam }, { RoleName })) {
    for (const PolicyName of PolicyNames ?? []) {
      const { PolicyDocument = '{}' } = await iam.send(
        new GetRolePolicyCommand({ RoleName, PolicyName }),
      );
      const statements: Statement[] = JSON.parse(decodeURIComponent(PolicyDocument)).Statement;
      for (const { Action, Resource } of statements.filter(({ Effect }) => Effect === 'Allow')) {
        for (const action of listOf(Action)) grants.push({ action, resources: listOf(Resource) });
      }
    }
  }
  return grants;
}

/** Names of a stack's roles, with their logical ids. */
async function rolesIn(cloudformation: CloudFormationClient, StackName: string) {
  const roles: [string, string][] = [];
  const pages = paginateListStackResources({ client: cloudformation }, { StackName });
  for await (const { StackResourceSummaries: resources = [] } of pages) {
    for (const { ResourceType, LogicalResourceId = '', PhysicalResourceId = '' } of resources) {
      if (ResourceType !== 'AWS::IAM::Role') continue;
      const stack = StackName.replace(/^Slipway-(local-)?/, '');
      roles.push([PhysicalResourceId, `${stack} ${LogicalResourceId.replace(/[0-9A-F]{8}$/, '')}`]);
    }
  }
  return roles;
}

/** Role's name → stack and logical id. */
async function deployedRoles(cloudformation: CloudFormationClient): Promise<Map<string, string>> {
  const names: string[] = [];
  for await (const { Stacks = [] } of paginateDescribeStacks({ client: cloudformation }, {})) {
    names.push(...Stacks.map(({ StackName = '' }) => StackName));
  }
  const slipways = names.filter((name) => name.startsWith('Slipway-'));
  const roles = await Promise.all(slipways.map((name) => rolesIn(cloudformation, name)));
  return new Map(roles.flat());
}

/** Every role of the deployed stacks with its policy and its calls so far. */
export async function rolesInUse(
  endpoint: string,
  client: Pick<IAMClientConfig, 'endpoint' | 'region' | 'credentials'> = {},
): Promise<RoleUse[]> {
  const reply = await fetch(`${endpoint}/_laptop/calls`);
  const calls = (await reply.json()) as Call[];
  const iam = new IAMClient(client);
  const roles = await deployedRoles(new CloudFormationClient(client));
  return Promise.all(
    [...roles].map(async ([name, role]) => ({
      role,
      grants: await grantsOf(iam, name),
      calls: calls.filter(({ principal }) => principal?.endsWith(`:role/${name}`)),
    })),
  );
}

/** A log group is granted with the streams in it. */
const namesOf = (resource: string): string[] =>
  resource.includes(':log-group:') ? [resource, `${resource}:`] : [resource];

const granted = (grants: readonly Grant[], { action, resource }: Call): boolean =>
  grants.some(
    (grant) =>
      matches(grant.action, action, 'i') &&
      grant.resources.some((pattern) => namesOf(resource).some((name) => matches(pattern, name))),
  );

/** Calls that no statement of the caller's policy allows. */
export const ungrantedCalls = (roles: readonly RoleUse[]): string[] =>
  roles.flatMap(({ role, grants, calls }) =>
    calls
      .filter((call) => !granted(grants, call))
      .map(({ action, resource }) => `${role}: ${action} on ${resource}`),
  );

/** Calls that were refused: something that a policy lacks, or that the code should not try. */
export const refusedCalls = (roles: readonly RoleUse[]): string[] =>
  roles.flatMap(({ role, calls }) =>
    calls
      .filter(({ allowed }) => !allowed)
      .map(({ action, resource }) => `${role}: ${action} on ${resource}`),
  );

/** Granted actions that the role never called. */
export const unusedGrants = (roles: readonly RoleUse[]): string[] =>
  roles.flatMap(({ role, grants, calls }) => {
    const called = calls.map(({ action }) => action);
    return [...new Set(grants.map(({ action }) => action))]
      .filter((action) => !called.some((name) => matches(action, name, 'i')))
      .map((action) => `${role}: ${action}`);
  });
