// A server in a process of its own, on a core of its own where the system can pin it.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processTree } from './process-cost.ts';

export interface ServerCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd: string;
  /** Answers 200 when the server is ready. */
  readonly readyUrl: string;
  /** Its output; what went wrong is read from its end. */
  readonly logFile: string;
}

export interface ServerProcess {
  readonly name: string;
  readonly pid: number;
  /** Stands still while others are measured: a server that polls costs them time. */
  pause(): void;
  resume(): void;
  /** Settles with the exit code; a signal that ended it counts as -1. */
  readonly ended: Promise<number>;
  stop(signal?: NodeJS.Signals): Promise<number>;
}

const startLimitMs = 90_000;
const stopLimitMs = 30_000;

/** Core of the servers, and core of everything else. */
export const serverCore = 0;
const otherCore = 1;

export const canPin: boolean =
  process.platform === 'linux' &&
  availableParallelism() > 1 &&
  spawnSync('taskset', ['--version']).status === 0;

/** Whatever this process starts, but for the servers, shares the other core with it. */
export function leaveServersTheirCore(): void {
  if (!canPin) return;
  execFileSync('taskset', ['-a', '-p', '-c', String(otherCore), String(process.pid)], {
    stdio: 'ignore',
  });
}

/** No setting of the caller's shell reaches a server. */
function cleanEnvironment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { PATH, HOME, TMPDIR } = process.env;
  const kept = { PATH, HOME, ...(TMPDIR ? { TMPDIR } : {}) };
  const path = env['PATH'] ? { PATH: [env['PATH'], PATH].join(delimiter) } : {};
  return { ...kept, LANG: 'C.UTF-8', ...env, ...path };
}

const isReady = async (url: string): Promise<boolean> => {
  try {
    const reply = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await reply.arrayBuffer();
    return reply.status === 200;
  } catch {
    return false;
  }
};

function signalTree(pid: number, signal: NodeJS.Signals): void {
  for (const member of processTree(pid)) {
    try {
      process.kill(member, signal);
    } catch {
      // It has ended meanwhile.
    }
  }
}

const logEnd = (file: string): string => readFileSync(file, 'utf8').trimEnd().slice(-2_000);

function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once('error', () => resolve(-1));
    child.once('exit', (code) => resolve(code ?? -1));
  });
}

async function untilReady(server: ServerCommand, ended: Promise<number>): Promise<void> {
  let exit: number | undefined;
  ended.then(
    (code) => {
      exit = code;
    },
    () => undefined,
  );
  const until = Date.now() + startLimitMs;
  while (!(await isReady(server.readyUrl))) {
    if (exit !== undefined || Date.now() > until) {
      const what =
        exit === undefined ? `was not ready within ${startLimitMs / 1000} s` : 'did not start';
      throw new Error(`${server.name} ${what}:\n${logEnd(server.logFile)}`);
    }
    await sleep(100);
  }
}

/** @throws Error with the end of its log where it is not ready in time. */
export async function startServer(server: ServerCommand): Promise<ServerProcess> {
  const log = openSync(server.logFile, 'w');
  const pinned = canPin ? ['taskset', '-c', String(serverCore)] : [];
  const [command = '', ...args] = [...pinned, server.command, ...server.args];
  const child = spawn(command, args, {
    cwd: server.cwd,
    env: cleanEnvironment(server.env ?? {}),
    stdio: ['ignore', log, log],
  });
  closeSync(log);
  const ended = exitOf(child);
  const pid = child.pid ?? 0;
  const stop = async (signal: NodeJS.Signals = 'SIGTERM'): Promise<number> => {
    signalTree(pid, 'SIGCONT');
    const members = processTree(pid);
    child.kill(signal);
    const late = await Promise.race([ended, sleep(stopLimitMs, 'late', { ref: false })]);
    if (late === 'late') signalTree(pid, 'SIGKILL');
    // Workers that their parent has left behind.
    for (const member of members.slice(1)) {
      if (processTree(member).length > 0) signalTree(member, 'SIGKILL');
    }
    return ended;
  };
  try {
    await untilReady(server, ended);
  } catch (error) {
    await stop('SIGKILL');
    throw error;
  }
  return {
    name: server.name,
    pid,
    pause: () => signalTree(pid, 'SIGSTOP'),
    resume: () => signalTree(pid, 'SIGCONT'),
    ended,
    stop,
  };
}

export const root = join(import.meta.dirname, '..', '..');
