// Brings what is written in models/ into an environment.
import { globSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ModelFolder } from '../config/models.ts';
import { modelStackName } from '../core/model/stack-names.ts';
import { cdk, deployDirectly, deployUnasked } from './cdk.ts';
import { CommandError } from './command-error.ts';
import { deployedModels } from './deployment.ts';
import { type RunningLaptop, synthesisVariables } from './laptop-file.ts';
import { buildEnvironments, downloadWheels } from './model-python.ts';
import { inStep, type Terminal } from './terminal.ts';

export interface DeployRequest {
  readonly environment: string;
  readonly laptop: RunningLaptop | undefined;
  readonly folders: readonly ModelFolder[];
  /** Only what this model needs, where the others are there already. */
  readonly model: string | undefined;
}

export interface Deployed {
  readonly environment: string;
  readonly stacks: readonly string[];
  readonly seconds: number;
}

/**
 * The stacks of a model and all that models share, where every other model is deployed; otherwise all, because
 * what they share refers to each.
 */
export function stacksFor(
  stacks: readonly string[],
  { environment, folders, model }: Pick<DeployRequest, 'environment' | 'folders' | 'model'>,
  deployed: readonly string[],
): string[] {
  const others = folders
    .map(({ definition }) => definition.name)
    .filter((name) => model !== undefined && name !== model);
  if (!others.every((name) => deployed.includes(name))) return [...stacks];
  const spared = new Set(others.map((name) => modelStackName(environment, name)));
  return stacks.filter((stack) => !spared.has(stack));
}

/** Ends the CDK CLI in order when this process is told to end. */
function toolsFor({ note }: Pick<Terminal, 'note'>) {
  return {
    note,
    onStop(end: () => void): void {
      for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, end);
    },
  };
}

/** What a deployment brings along that is not in the repository. */
async function prepare({ laptop, folders }: DeployRequest): Promise<void> {
  if (laptop) await buildEnvironments(folders);
  else await downloadWheels();
}

/**
 * Builds the stacks and deploys them.
 * @throws CommandError with the end of what the CDK CLI said.
 */
export async function deploy(
  request: DeployRequest,
  terminal: Pick<Terminal, 'note'>,
): Promise<Deployed> {
  const { environment, laptop } = request;
  const startedAt = performance.now();
  const elapsed = () => performance.now() - startedAt;
  await prepare(request);
  const folder = mkdtempSync(join(tmpdir(), 'slipway-deploy-'));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  process.once('exit', remove);
  try {
    const temporary = join(folder, 'tmp');
    mkdirSync(temporary);
    const env = {
      ...(laptop && synthesisVariables(laptop)),
      SLIPWAY_ENVIRONMENT: environment,
      TMPDIR: temporary,
    };
    const tools = toolsFor(terminal);
    const assembly = join(folder, 'assembly');
    await inStep(terminal, 'building the stacks', () =>
      cdk(['synth', '--quiet', '--output', assembly], env, tools),
    );
    const all = globSync('*.template.json', { cwd: assembly })
      .map((file) => file.slice(0, -'.template.json'.length))
      .sort();
    if (all.length === 0) throw new CommandError(`there is no stack to deploy in ${assembly}`);
    const deployed = request.model === undefined ? [] : await deployedModels(environment);
    const stacks = stacksFor(all, request, deployed);
    const command = laptop ? deployDirectly : deployUnasked;
    await inStep(terminal, `deploying ${stacks.length} stacks`, () =>
      cdk([...command, '--exclusively', '--app', assembly, ...stacks], env, tools),
    );
    return { environment, stacks, seconds: elapsed() / 1_000 };
  } finally {
    remove();
    process.off('exit', remove);
  }
}
