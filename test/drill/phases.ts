// What is done to the server while it answers, and by what one sees that it was felt.
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { ServingMetrics } from '../../core/inference/serving-metrics.ts';
import type { ValkeyServer } from '../../local/valkey-server.ts';
import type { ServedRegistry } from '../bench/served-registry.ts';
import type { Balancer, Replica } from './replicas.ts';
import type { SteadyLoad } from './steady-load.ts';
import type { TcpProxy } from './tcp-proxy.ts';

export interface World {
  readonly registry: ServedRegistry;
  readonly registryProxy: TcpProxy;
  readonly artifactsProxy: TcpProxy;
  readonly balancer: Balancer;
  readonly load: SteadyLoad;
  /** Of the model whose versions change; each has other answers. */
  readonly flipped: string;
  /** The replica that answers now. */
  replica: Replica;
  valkey: ValkeyServer;
  startValkey(): Promise<ValkeyServer>;
  startReplica(): Promise<Replica>;
  /** Registers the version and spoils its graph afterwards. */
  registerCorrupt(): Promise<number>;
}

export interface Phase {
  readonly name: string;
  /** Of the drill's time. */
  readonly weight: number;
  /** Does it for so long; tells what was seen, or throws where the fault was not felt. */
  run(world: World, ms: number): Promise<string>;
}

/** A drill whose fault nobody felt has shown nothing. */
class NotFeltError extends Error {
  override readonly name = 'NotFeltError';
}

function felt(is: boolean, what: string): void {
  if (!is) throw new NotFeltError(`${what}: the fault was not felt, so its phase shows nothing`);
}

const logOf = ({ replica }: World): string => readFileSync(replica.logFile, 'utf8');
const logged = (world: World, text: string): number => logOf(world).split(text).length - 1;

/** Numbers of a field in the lines of the log, added up. */
const counted = (text: string, field: string): number =>
  [...text.matchAll(new RegExp(`"${field}":(\\d+)`, 'g'))].reduce(
    (sum, [, count]) => sum + Number(count),
    0,
  );

const refusedBy = (world: World): number => counted(logOf(world), '503');

/** Predictions that a server answered and has not logged, as it says itself. */
export const droppedBy = ({ logFile }: Replica): number =>
  counted(readFileSync(logFile, 'utf8'), ServingMetrics.logDropped);

const calm = (name: string, weight: number): Phase => ({
  name,
  weight,
  async run(_world, ms) {
    await sleep(ms);
    return '';
  },
});

const cacheLost: Phase = {
  name: 'Valkey killed, then back',
  weight: 1.5,
  async run(world, ms) {
    process.kill(world.valkey.pid, 'SIGKILL');
    await world.valkey.stop();
    await sleep(ms / 2);
    world.valkey = await world.startValkey();
    await sleep(ms / 2);
    const said = logged(world, 'cache');
    felt(said > 0, 'Valkey killed');
    return `${said} lines of the log about it`;
  },
};

const registryLost: Phase = {
  name: 'registry refuses, then is silent',
  weight: 2,
  async run(world, ms) {
    const before = logged(world, "ledger's head could not be read");
    for (const mode of ['refused', 'silent'] as const) {
      world.registryProxy.become(mode);
      await sleep(ms / 2);
    }
    world.registryProxy.become('open');
    const unread = logged(world, "ledger's head could not be read") - before;
    felt(unread > 0, 'registry unreachable');
    return `${unread} times the head could not be read`;
  },
};

/** Milliseconds until a version answered. */
async function untilAnswered(world: World, version: number, limitMs: number): Promise<number> {
  const since = Date.now();
  const key = `${world.flipped}/${version}`;
  while ((world.load.lastAnswered.get(key) ?? 0) < since) {
    if (Date.now() - since > limitMs) {
      throw new NotFeltError(`version ${version} did not answer within ${limitMs} ms`);
    }
    await sleep(20);
  }
  return Date.now() - since;
}

const flip = async (world: World, version: number, limitMs = 30_000): Promise<number> => {
  await world.registry.enter('live', world.flipped, version);
  return untilAnswered(world, version, limitMs);
};

const artifactsSlow: Phase = {
  name: 'S3 slow while a version comes',
  weight: 1.5,
  async run(world, ms) {
    const until = Date.now() + ms;
    world.artifactsProxy.become('slow');
    const tookMs = await flip(world, 2);
    world.artifactsProxy.become('open');
    felt(world.artifactsProxy.letDown > 0, 'S3 slow');
    await sleep(Math.max(0, until - Date.now()));
    return `version 2 answered after ${tookMs} ms, ${world.artifactsProxy.letDown} parts were late`;
  },
};

const flips: Phase = {
  name: 'versions flip',
  weight: 1.5,
  async run(world, ms) {
    const until = Date.now() + ms;
    const tookMs: number[] = [];
    for (let version = 1; Date.now() < until; version = version === 1 ? 2 : 1) {
      tookMs.push(await flip(world, version));
      await sleep(250);
    }
    return `${tookMs.length} flips, each seen within ${Math.max(...tookMs)} ms`;
  },
};

const corruptVersion: Phase = {
  name: 'a corrupt version is live',
  weight: 1.5,
  async run(world, ms) {
    const version = await world.registerCorrupt();
    for (const state of ['staged', 'live'] as const) {
      await world.registry.enter(state, world.flipped, version);
      await sleep(ms / 3);
    }
    felt(logged(world, 'SHA-256') > 0, 'a corrupt version');
    const tookMs = await flip(world, 1);
    await sleep(ms / 3);
    return `refused; version 1 answered ${tookMs} ms after it was live again`;
  },
};

const threadLost: Phase = {
  name: 'a thread is lost, twice',
  weight: 1,
  async run(world, ms) {
    const before = logged(world, 'a thread was lost');
    for (let time = 0; time < 2; time += 1) {
      process.kill(world.replica.process.pid, 'SIGUSR2');
      await sleep(ms / 2);
    }
    const lost = logged(world, 'a thread was lost') - before;
    felt(lost > 0, 'a thread lost');
    return `${lost} threads were replaced`;
  },
};

/** Callers that send more than one replica can read, let alone answer. */
const floodCallers = 512;
/** Of the phase: what waits by then is answered in the rest. */
const floodedShare = 0.7;

const overload: Phase = {
  name: 'more than can be answered',
  weight: 1.5,
  async run(world, ms) {
    const until = Date.now() + ms;
    const before = refusedBy(world);
    const lateBefore = world.balancer.lateAnswers;
    await world.load.flood(floodCallers, ms * floodedShare);
    await sleep(Math.max(0, until - Date.now()));
    const refused = refusedBy(world) - before;
    felt(refused > 0, 'more than can be answered');
    const late = world.balancer.lateAnswers - lateBefore;
    return `${refused} requests were sent away; of the answers about readiness ${late} came too late`;
  },
};

const takenOver: Phase = {
  name: 'SIGTERM, another replica takes over',
  weight: 2,
  async run(world, ms) {
    const until = Date.now() + ms;
    const old = world.replica;
    const next = await world.startReplica();
    world.balancer.add(next.base);
    const startedAt = Date.now();
    // It has all the traffic, and goes on having it until the balancer has asked it.
    const code = await old.process.stop('SIGTERM');
    world.replica = next;
    const tookMs = Date.now() - startedAt;
    if (code !== 0) throw new NotFeltError(`the old replica ended with ${code}, not 0`);
    await sleep(Math.max(0, until - Date.now()));
    return `the old one ended with 0 after ${tookMs} ms`;
  },
};

export const phases: readonly Phase[] = [
  calm('nothing', 1),
  cacheLost,
  registryLost,
  artifactsSlow,
  flips,
  corruptVersion,
  threadLost,
  overload,
  takenOver,
  calm('nothing, again', 0.5),
];
