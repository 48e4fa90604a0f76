// Starts and stops the laptop cloud: one launcher process with one folder of its own.
import { type ChildProcess, spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
} from 'node:fs';
import { rm } from 'node:fs/promises';
import { devNull, tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { createInterface } from 'node:readline';

const root = join(import.meta.dirname, '..');
const region = 'us-east-1';
const accountId = '000000000000';
const startLimitMs = 60_000;
const stopLimitMs = 15_000;

export interface CloudOptions {
  /** Gaps of the emulator to close. Default 'all', or 'none' when SLIPWAY_BARE_EMULATOR is 1. */
  readonly gaps?: 'all' | 'none';
  /** Gaps, by file name without extension, to leave open although the others are closed. */
  readonly without?: readonly string[];
  /** TCP port; a free one by default. */
  readonly port?: number;
  /** Python with the emulator installed; by default the one of .venv/local. */
  readonly python?: string;
}

export interface Cloud {
  /** `http://127.0.0.1:<port>` */
  readonly endpoint: string;
  readonly port: number;
  readonly region: string;
  readonly accountId: string;
  /** Settings that lead an AWS SDK, the AWS CLI or the CDK CLI to this cloud and nowhere else. */
  readonly env: Readonly<Record<string, string>>;
  /** The emulator's own log; removed by `stop`. */
  readonly logFile: string;
  /** The folder everything of this cloud lies in; removed by `stop`. */
  readonly folder: string;
  /** Process id of the launcher. */
  readonly pid: number;
  /** Names of the gaps that were closed. */
  readonly gaps: readonly string[];
  /** Ends every process of this cloud and removes its folder. May be called more than once. */
  stop(): Promise<void>;
}

/** The laptop cloud did not start; the message carries the end of its log. */
export class CloudStartError extends Error {
  override readonly name = 'CloudStartError';
}

function environmentFor(endpoint: string): Record<string, string> {
  return {
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: accountId,
    AWS_SECRET_ACCESS_KEY: 'laptop-cloud',
    AWS_SESSION_TOKEN: '',
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    // Whatever profile and configuration this machine has must not reach the laptop cloud's clients.
    AWS_PROFILE: '',
    AWS_CONFIG_FILE: devNull,
    AWS_SHARED_CREDENTIALS_FILE: devNull,
    AWS_EC2_METADATA_DISABLED: 'true',
  };
}

/** Lambda workers inherit the launcher's environment, so it holds only what they need. */
function launcherEnvironment(folder: string): Record<string, string> {
  const home = join(folder, 'home');
  mkdirSync(home);
  return {
    PATH: [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter),
    HOME: home,
    TMPDIR: folder,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    LOG_LEVEL: process.env['LAPTOP_CLOUD_LOG_LEVEL'] ?? 'INFO',
    MINISTACK_ACCOUNT_ID: accountId,
    MINISTACK_REGION: region,
    AWS_EC2_METADATA_DISABLED: 'true',
    PYTHONUNBUFFERED: '1',
    PYTHONDONTWRITEBYTECODE: '1',
  };
}

interface Announcement {
  readonly port: number;
  readonly gaps: readonly string[];
}

function lastLines(file: string): string {
  try {
    return readFileSync(file, 'utf8').slice(-4000);
  } catch {
    return '';
  }
}

/** Resolves with the launcher's first line, or rejects when it ends or is silent for too long. */
function announcement(launcher: ChildProcess, logFile: string): Promise<Announcement> {
  return new Promise((resolve, reject) => {
    const fail = (what: string) => {
      clearTimeout(timer);
      reject(new CloudStartError(`The laptop cloud ${what}.\n${lastLines(logFile)}`));
    };
    const timer = setTimeout(
      () => fail(`was not ready within ${startLimitMs / 1000} s`),
      startLimitMs,
    );
    launcher.once('error', (error) =>
      fail(`could not be started (${error.message}); run \`node bin/setup.mjs\` first`),
    );
    launcher.once('exit', (code, signal) => fail(`ended before it was ready (${signal ?? code})`));
    if (!launcher.stdout) return;
    createInterface(launcher.stdout).once('line', (line) => {
      clearTimeout(timer);
      resolve(JSON.parse(line) as Announcement);
    });
  });
}

function signalGroup(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-pid, signal);
  } catch {
    // Nobody is left in the group.
  }
}

/** Process groups that a launcher which did not end in order has left behind. */
function strayGroups(folder: string): number[] {
  const notes = join(folder, 'process-groups');
  return existsSync(notes) ? readdirSync(notes).map(Number) : [];
}

/** Ends the launcher, which ends its workers and trainers and removes its folder; insists if it must. */
async function end(launcher: ChildProcess, folder: string): Promise<void> {
  const { pid } = launcher;
  if (pid !== undefined) {
    if (launcher.exitCode === null && launcher.signalCode === null) {
      const exited = new Promise<void>((resolve) => launcher.once('exit', () => resolve()));
      launcher.kill('SIGTERM');
      const insist = setTimeout(() => signalGroup(pid, 'SIGKILL'), stopLimitMs);
      await exited;
      clearTimeout(insist);
    }
    for (const group of [pid, ...strayGroups(folder)]) signalGroup(group, 'SIGKILL');
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
}

const running = new Map<ChildProcess, () => Promise<void>>();

/** A signal ends the clouds first and then this process, unless somebody else listens to it as well. */
function onSignal(signal: NodeJS.Signals): void {
  const isOurs = process.listenerCount(signal) === 0;
  void Promise.allSettled([...running.values()].map((stop) => stop())).then(() => {
    if (isOurs) process.kill(process.pid, signal);
  });
}

function onExit(): void {
  // Nothing can be awaited here; the launcher removes its folder itself.
  for (const launcher of running.keys()) launcher.kill('SIGTERM');
}

function guard(launcher: ChildProcess, stop: () => Promise<void>): void {
  if (running.size === 0) {
    // First in line, so that the other listeners are still there to be counted.
    process.prependOnceListener('SIGINT', onSignal).prependOnceListener('SIGTERM', onSignal);
    process.once('exit', onExit);
  }
  running.set(launcher, stop);
}

function release(launcher: ChildProcess): void {
  if (!running.delete(launcher) || running.size > 0) return;
  process.off('SIGINT', onSignal).off('SIGTERM', onSignal).off('exit', onExit);
}

/**
 * Starts a laptop cloud of its own: own port, own folder, nothing shared with another one.
 * @throws CloudStartError with the end of the launcher's log.
 */
export async function startCloud(options: CloudOptions = {}): Promise<Cloud> {
  const gaps = options.gaps ?? (process.env['SLIPWAY_BARE_EMULATOR'] === '1' ? 'none' : 'all');
  const folder = mkdtempSync(join(tmpdir(), 'laptop-cloud-'));
  const logFile = join(folder, 'cloud.log');
  const log = openSync(logFile, 'a');
  const launcher = spawn(
    options.python ?? join(root, '.venv', 'local', 'bin', 'python'),
    [
      join(root, 'local', 'launcher.py'),
      ...['--port', String(options.port ?? 0), '--parent', String(process.pid)],
      ...(gaps === 'none' ? ['--bare'] : []),
      ...(options.without ?? []).flatMap((gap) => ['--without', gap]),
    ],
    // A group of its own: Ctrl-C reaches this process alone, which then stops the cloud in order.
    {
      cwd: folder,
      env: launcherEnvironment(folder),
      stdio: ['ignore', 'pipe', log],
      detached: true,
    },
  );
  closeSync(log);
  let stopping: Promise<void> | undefined;
  const stop = () => {
    stopping ??= end(launcher, folder).finally(() => release(launcher));
    return stopping;
  };
  guard(launcher, stop);
  try {
    const ready = await announcement(launcher, logFile);
    const endpoint = `http://127.0.0.1:${ready.port}`;
    return {
      endpoint,
      port: ready.port,
      region,
      accountId,
      env: environmentFor(endpoint),
      logFile,
      folder,
      pid: launcher.pid ?? 0,
      gaps: ready.gaps,
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
