// The stacks of models that are no longer there, and of the network that no model asks for any more: what goes
// with them, what stays, and their end.
import {
  CloudFormationClient,
  DeleteStackCommand,
  paginateDescribeStacks,
  paginateListExports,
  paginateListImports,
  paginateListStackResources,
  waitUntilStackDeleteComplete,
} from '@aws-sdk/client-cloudformation';
import type { ModelDefinition } from '../core/model/define-model.ts';
import { modelStackName, modelStackPrefix, networkStackName } from '../core/model/stack-names.ts';
import { CommandError } from './command-error.ts';

export interface RemovedStack {
  /** Undefined where the stack says nothing of its model, or has none. */
  readonly model: string | undefined;
  readonly stack: string;
  readonly status: string;
  /** Type of resource → how many are destroyed. */
  readonly destroyed: Readonly<Record<string, number>>;
  /** Stacks that stay and still use something of it. */
  readonly usedBy: readonly string[];
}

const longestDeletionSeconds = 3_600;

async function removableStacks(client: CloudFormationClient, environment: string) {
  const found = [];
  for await (const { Stacks = [] } of paginateDescribeStacks({ client }, {})) {
    found.push(
      ...Stacks.filter(
        ({ StackName, StackStatus }) =>
          (StackName?.startsWith(modelStackPrefix(environment)) ||
            StackName === networkStackName(environment)) &&
          StackStatus !== 'DELETE_COMPLETE',
      ),
    );
  }
  return found;
}

async function resourcesOf(client: CloudFormationClient, StackName: string) {
  const resources = [];
  for await (const page of paginateListStackResources({ client }, { StackName })) {
    resources.push(...(page.StackResourceSummaries ?? []));
  }
  return resources;
}

/** Nothing imports it: which CloudFormation says as an error. */
const isNotImported = (error: unknown): boolean =>
  error instanceof Error && /is not imported by any stack/i.test(error.message);

async function importsOf(client: CloudFormationClient, ExportName: string): Promise<string[]> {
  const importers: string[] = [];
  try {
    for await (const page of paginateListImports({ client }, { ExportName })) {
      importers.push(...(page.Imports ?? []));
    }
  } catch (error) {
    if (!isNotImported(error)) throw error;
  }
  return importers;
}

/** Stacks that import what a stack exports. */
async function importersOf(client: CloudFormationClient, stackId: string): Promise<string[]> {
  const exported: string[] = [];
  for await (const { Exports = [] } of paginateListExports({ client }, {})) {
    const own = Exports.filter(({ ExportingStackId }) => ExportingStackId === stackId);
    exported.push(...own.map(({ Name = '' }) => Name));
  }
  const importers = await Promise.all(exported.map((name) => importsOf(client, name)));
  return [...new Set(importers.flat())].sort();
}

/**
 * The deployed stacks that the models there are do not need any more, in the order in which they can go: the
 * models' before the network that they lie in.
 */
export async function removedStacks(
  environment: string,
  models: readonly Pick<ModelDefinition, 'name' | 'serving'>[],
  client = new CloudFormationClient(),
): Promise<RemovedStack[]> {
  const network = networkStackName(environment);
  const kept = new Set(models.map(({ name }) => modelStackName(environment, name)));
  if (models.some(({ serving }) => serving.cache || serving.target === 'ecs')) kept.add(network);
  const stacks = await removableStacks(client, environment);
  const removed = stacks
    .filter(({ StackName = '' }) => !kept.has(StackName))
    .sort((a, b) => Number(a.StackName === network) - Number(b.StackName === network));
  const going = new Set(removed.map(({ StackName }) => StackName));
  return Promise.all(
    removed.map(async ({ StackName = '', StackId = '', StackStatus = '' }) => {
      const resources = await resourcesOf(client, StackName);
      const types = Map.groupBy(resources, ({ ResourceType = '' }) => ResourceType);
      const parameter = new RegExp(`^/slipway/${environment}/models/([^/]+)/`);
      const [model] = resources.flatMap(
        ({ PhysicalResourceId = '' }) => parameter.exec(PhysicalResourceId)?.[1] ?? [],
      );
      return {
        model,
        stack: StackName,
        status: StackStatus,
        destroyed: Object.fromEntries([...types].map(([type, same]) => [type, same.length])),
        usedBy: (await importersOf(client, StackId)).filter((stack) => !going.has(stack)),
      };
    }),
  );
}

/**
 * CloudFormation refuses to delete what another stack imports, after it has tried.
 * @throws CommandError naming the stacks to deploy first.
 */
export function refuseUsedStacks(environment: string, removed: readonly RemovedStack[]): void {
  const used = removed.filter(({ usedBy }) => usedBy.length > 0);
  if (used.length === 0) return;
  const importers = [...new Set(used.flatMap(({ usedBy }) => usedBy))].sort().join(' ');
  throw new CommandError(
    `${used.map(({ stack }) => stack).join(', ')} cannot go yet: ${importers} still use${importers.includes(' ') ? '' : 's'} it; deploy the environment without it first: \`SLIPWAY_ENVIRONMENT=${environment} npx cdk deploy ${importers}\``,
  );
}

/**
 * Deletes a stack and waits for its end; one that is gone already is deleted.
 * @throws CommandError with what CloudFormation says.
 */
export async function destroyStack(
  stack: string,
  client = new CloudFormationClient(),
): Promise<void> {
  await client.send(new DeleteStackCommand({ StackName: stack }));
  try {
    await waitUntilStackDeleteComplete(
      { client, maxWaitTime: longestDeletionSeconds, minDelay: 1, maxDelay: 10 },
      { StackName: stack },
    );
  } catch (error) {
    throw new CommandError(
      `${stack} was not destroyed; its events in the CloudFormation console say why, then run \`slipway prune\` again`,
      undefined,
      { cause: error },
    );
  }
}
