import { setTimeout as sleep } from 'node:timers/promises';
import type { Run } from '../../core/registry/records.ts';
import { type ApiClient, openApi } from '../api-client.ts';
import { CommandError, exitCodes } from '../command-error.ts';
import { alarmRaised } from './alarms.ts';
import { reportThat } from './drift-watch.ts';
import { type Flight, sampleMarch, writeShuffledFiles, writeTrainingFiles } from './flights.ts';
import { type DemoOptions, maximumRows, model, type Scene, title } from './scene.ts';
import { showCommand } from './shown-command.ts';
import { sendFlights, sendLabels, type Traffic } from './traffic.ts';
import { verdictOf } from './west-march.ts';

/** Flights of both coasts, a share of the demo's rows each. */
async function bothCoasts({ rows, seed }: DemoOptions, share: number): Promise<Flight[]> {
  const each = Math.max(1, Math.round(rows * share));
  return [...(await sampleMarch('east', each, seed)), ...(await sampleMarch('west', each, seed))];
}

const send = (api: ApiClient, flights: readonly Flight[], seed: number): Promise<Traffic> =>
  sendFlights(api, { model, flights, seed, maximumRows, onRows: () => undefined });

/** Requests with their labels, until the scheduled check has judged the version's answers by them. */
async function serveWithLabels(scene: Scene, options: DemoOptions, share: number, version: number) {
  const api = await openApi(scene.deployment);
  const flights = await bothCoasts(options, share);
  const traffic = await send(api, flights, options.seed);
  await sendLabels(api, model, traffic.labels);
  scene.note(`  ${flights.length} flights of both coasts answered, and their labels sent`);
  const report = await reportThat(
    scene,
    `a check of version ${version} with these labels`,
    (candidate) => candidate.version === version && candidate.quality.labels >= flights.length,
  );
  scene.note(`  quality of version ${version}: ${report.quality.text}`);
  return report.quality;
}

/** Trains on January and February with every label moved to another flight. */
async function trainOnShuffledLabels(scene: Scene, seed: number): Promise<Run> {
  const files = await writeShuffledFiles(scene.folder, seed);
  await showCommand(scene, ['drop', model, ...files.map(({ path }) => path)]);
  await showCommand(scene, ['train', model, '--wait'], exitCodes.rejected);
  const runs = await scene.deployment.registry.listRuns(model, 10);
  const run = runs.find(({ outcome }) => outcome === 'rejected');
  if (run?.version === undefined) {
    throw new CommandError('the candidate of shuffled labels was to be rejected, as a version');
  }
  return run;
}

/** Rolls back while requests go on. */
async function rollBackUnderLoad(scene: Scene, options: DemoOptions) {
  const api = await openApi(scene.deployment);
  const flights = await bothCoasts(options, 0.05);
  const answered: Traffic['requests'][number][] = [];
  let stopped = false;
  const load = (async () => {
    while (!stopped) answered.push(...(await send(api, flights, options.seed)).requests);
  })();
  // Awaited below; until then a failure is not unhandled.
  load.catch(() => undefined);
  await sleep(1_000);
  await showCommand(scene, ['rollback', model, '--reason', 'the quality alarm']);
  await sleep(3_000);
  stopped = true;
  await load;
  const entries = await scene.deployment.ledger.entries(model);
  const entry = entries.findLast(({ state }) => state === 'live');
  const before = answered.filter(({ version }) => version !== String(entry?.version));
  const lastOld = Math.max(0, ...before.map(({ sentAt, endToEndMs }) => sentAt + endToEndMs));
  return {
    requests: answered.length,
    version: entry?.version ?? null,
    /** From the ledger's entry to the last answer of the version before. */
    seconds: Math.max(0, lastOld - Date.parse(entry?.at ?? '')) / 1_000,
  };
}

/** Step 8: a candidate that is refused, forced live, found out by its quality, and rolled back. */
export async function forceAndRollBack(scene: Scene, options: DemoOptions, live: number) {
  title(scene, '8. Labels get shuffled upstream: refused, forced live, found out, rolled back');
  const before = await serveWithLabels(scene, { ...options, seed: options.seed + 1 }, 0.2, live);
  const run = await trainOnShuffledLabels(scene, options.seed);
  await showCommand(scene, ['why', run.runId]);
  const forced = run.version ?? 0;
  const forcedAt = new Date();
  const reason = 'to see what the gate protects from';
  await showCommand(scene, ['approve', model, String(forced), '--override', '--reason', reason]);
  const found = await serveWithLabels(scene, { ...options, seed: options.seed + 2 }, 0.5, forced);
  const alarmAt = await alarmRaised(scene, 'quality-dropped', forcedAt);
  const toAlarm = (alarmAt.getTime() - forcedAt.getTime()) / 1_000;
  scene.note(`  CloudWatch alarm quality-dropped, ${toAlarm} s after the override`);
  const rollback = await rollBackUnderLoad(scene, options);
  scene.note(
    `  ${rollback.requests} requests meanwhile; the last answer of version ${forced} came`,
  );
  scene.note(`  ${rollback.seconds.toFixed(2)} s after the ledger's entry`);
  const history = await showCommand(scene, ['live', model, '--history']);
  await showCommand(scene, ['live', model, '--at', new Date(alarmAt).toISOString()]);
  scene.note('  the right files take their places again:');
  const originals = await writeTrainingFiles(scene.folder);
  await showCommand(scene, ['drop', model, ...originals.map(({ path }) => path)]);
  return {
    run,
    verdict: await verdictOf(scene, run.runId),
    liveBefore: live,
    forced,
    quality: { before, forced: found },
    secondsToAlarm: toAlarm,
    rollback,
    history: history.trimEnd().split('\n'),
  };
}
