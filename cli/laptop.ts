// Brings up the whole platform on this machine: identity provider, laptop cloud, the stacks by the CDK CLI.
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readModelFolders } from '../config/models.ts';
import type { ModelDefinition } from '../core/model/define-model.ts';
import { type Cloud, startCloud } from '../local/cloud.ts';
import { startDashboardPage } from '../local/dashboard-page.ts';
import { type IdentityProvider, startIdentityProvider } from '../local/identity-provider.ts';
import { findValkeyServer, startValkeyServer } from '../local/valkey-server.ts';
import { cdk, deployDirectly } from './cdk.ts';
import { CommandError } from './command-error.ts';
import {
  announceLaptop,
  announceStart,
  type RunningLaptop,
  stockEnvironment,
  synthesisVariables,
} from './laptop-file.ts';
import { buildEnvironments } from './model-python.ts';
import { inStep, type Terminal } from './terminal.ts';

export interface Laptop {
  /** What other calls of `slipway` read. */
  readonly running: RunningLaptop;
  readonly cloud: Cloud;
  /** Ends every process, removes every folder and the run-file. May be called more than once. */
  stop(): Promise<void>;
}

const audience = 'slipway';

/** What has to end or go, newest first. */
class Cleanup {
  private readonly steps: (() => Promise<void> | void)[] = [];
  private done: Promise<void> | undefined;

  add(step: () => Promise<void> | void): void {
    this.steps.unshift(step);
  }

  run(): Promise<void> {
    this.done ??= (async () => {
      for (const step of this.steps) await step();
    })();
    return this.done;
  }
}

const runFile = (
  cloud: Cloud,
  identity: IdentityProvider,
  dashboardUrl: string,
  cache: string | undefined,
): RunningLaptop => ({
  port: cloud.port,
  pid: process.pid,
  startedAt: new Date().toISOString(),
  endpoint: cloud.endpoint,
  env: { ...cloud.env },
  identity: {
    issuer: identity.issuer,
    audience,
    tokenUrl: identity.tokenEndpoint,
    clientId: identity.clientId,
    clientSecret: identity.clientSecret,
  },
  logFile: cloud.logFile,
  dashboardUrl,
  cache,
});

/** The address of a cache for the models that ask for one; undefined where none does. */
async function startCache(
  models: readonly ModelDefinition[],
  { note }: Pick<Terminal, 'note'>,
  cleanup: Cleanup,
): Promise<string | undefined> {
  const asking = models.filter(({ serving }) => serving.cache).map(({ name }) => name);
  if (asking.length === 0) return undefined;
  if (!findValkeyServer()) {
    note('  there is no valkey-server or redis-server on this machine: each function caches alone');
    return undefined;
  }
  const server = await startValkeyServer();
  cleanup.add(() => server.stop());
  note(`  the cache of ${asking.join(', ')} is on ${server.host}:${server.port}`);
  return `${server.host}:${server.port}`;
}

async function bringUp(terminal: Pick<Terminal, 'note'>, cleanup: Cleanup): Promise<Laptop> {
  const output = mkdtempSync(join(tmpdir(), 'slipway-cdk-'));
  cleanup.add(() => rm(output, { recursive: true, force: true, maxRetries: 5 }));
  const temporary = join(output, 'tmp');
  mkdirSync(temporary);
  const removeOutput = () => rmSync(output, { recursive: true, force: true });
  process.once('exit', removeOutput);

  const removeStart = announceStart(process.pid);
  cleanup.add(removeStart);
  process.once('exit', removeStart);
  const folders = await readModelFolders(process.env);
  await buildEnvironments(folders);
  const identity = await startIdentityProvider();
  cleanup.add(() => identity.stop());
  const definitions = folders.map(({ definition }) => definition);
  const cache = await startCache(definitions, terminal, cleanup);
  const cloud = await inStep(terminal, 'starting the laptop cloud', () => startCloud());
  cleanup.add(() => cloud.stop());
  const env = {
    ...synthesisVariables({ env: cloud.env, identity, cache }),
    // What a synthesis leaves in its temporary folder goes with ours.
    TMPDIR: temporary,
  };
  const tools = { note: terminal.note, onStop: (end: () => void) => cleanup.add(end) };
  const assembly = join(output, 'assembly');
  const account = `aws://${cloud.accountId}/${cloud.region}`;
  await inStep(terminal, 'preparing the cloud and building the stacks', () =>
    Promise.all([
      cdk(['bootstrap', account, '--output', join(output, 'bootstrap')], env, tools),
      cdk(['synth', '--quiet', '--output', assembly], env, tools),
    ]),
  );
  await inStep(terminal, 'deploying the stacks', () =>
    cdk([...deployDirectly, '--all', '--app', assembly], env, tools),
  );
  const dashboards = await startDashboardPage({
    endpoint: cloud.endpoint,
    region: cloud.region,
    credentials: {
      accessKeyId: cloud.env['AWS_ACCESS_KEY_ID'] ?? '',
      secretAccessKey: cloud.env['AWS_SECRET_ACCESS_KEY'] ?? '',
    },
  });
  cleanup.add(() => dashboards.stop());
  const running = runFile(cloud, identity, dashboards.url, cache);
  const removeRunFile = announceLaptop(running);
  removeStart();
  cleanup.add(removeRunFile);
  process.once('exit', removeRunFile);
  return { running, cloud, stop: () => cleanup.run() };
}

/**
 * Starts the laptop cloud and deploys all stacks into it. Ctrl-C and SIGTERM, from the first moment
 * on, end everything and then this process.
 * @throws CommandError with the end of what the CDK CLI said.
 */
export async function startLaptop(terminal: Pick<Terminal, 'note'>): Promise<Laptop> {
  if (!existsSync(stockEnvironment)) {
    throw new CommandError(
      `the trainer's Python environment ${stockEnvironment} is missing; run \`node bin/setup.mjs\``,
    );
  }
  const cleanup = new Cleanup();
  let stopping = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      // The signal comes again: from an impatient hand, and from the cloud's own guard once it is down.
      if (stopping) return;
      stopping = true;
      terminal.note('Stopping the laptop cloud …');
      void cleanup.run().finally(() => process.exit(signal === 'SIGINT' ? 130 : 143));
    });
  }
  try {
    return await bringUp(terminal, cleanup);
  } catch (error) {
    await cleanup.run();
    throw error;
  }
}
