import { join } from 'node:path';
import { parseDocument } from '../../core/parse-document.ts';
import type { Run } from '../../core/registry/records.ts';
import type { RetrainingWish } from '../../core/training/retraining-state.ts';
import { Verdict, verdictKey } from '../../core/training/verdict.ts';
import { openApi } from '../api-client.ts';
import { describeDrift } from '../commands/drift.ts';
import { type FollowedRun, followRun } from '../follow-run.ts';
import { describeRun } from '../runs.ts';
import { alarmRaised, waitFor } from './alarms.ts';
import { psiOf, reportThat } from './drift-watch.ts';
import { counter } from './east-march.ts';
import { sampleMarch, writeLabelFile } from './flights.ts';
import { type DemoOptions, maximumRows, model, type Scene, title } from './scene.ts';
import { showCommand } from './shown-command.ts';
import { sendFlights } from './traffic.ts';

/** Step 5: what the scheduled check says of the east's March. */
export async function showQuietEast(scene: Scene, { rows }: DemoOptions) {
  title(scene, '5. East March was quiet: the scheduled check compares it with what was trained on');
  const report = await reportThat(
    scene,
    'a check of all of east March, with its labels',
    (candidate) => candidate.rows >= rows && candidate.quality.labels >= rows,
  );
  for (const line of describeDrift(report)) scene.note(`  ${line}`);
  return { psi: psiOf(report), status: report.status, quality: report.quality };
}

/** Follows runs that start by themselves, until one brings another version live. */
async function ownRun(scene: Scene, since: Date): Promise<FollowedRun> {
  const { deployment, note } = scene;
  const over = new Set<string>();
  for (;;) {
    const run = await waitFor<Run>(scene, {
      what: 'a run that nobody asked for',
      async ask() {
        const runs = await deployment.registry.listRuns(model, 10);
        const fresh = runs.findLast(
          ({ runId, startedAt }) => Date.parse(startedAt) >= since.getTime() && !over.has(runId),
        );
        return fresh ? { found: fresh } : { meanwhile: 'the retraining policy waits' };
      },
    });
    note(`  run ${run.runId}, asked for by ${run.trigger.kind} ${run.trigger.by}`);
    const followed = await followRun(deployment, run.runId, scene);
    over.add(run.runId);
    for (const line of describeRun(followed.run)) note(`  ${line}`);
    if (followed.run.outcome === 'live') return followed;
  }
}

const between = (from: Date, to: Date | string): number =>
  (new Date(to).getTime() - from.getTime()) / 1_000;

/** Step 6: requests from the west, the alarm, the wait for labels, and the retraining that nobody asks for. */
export async function rollOutToTheWest(scene: Scene, { rows, seed }: DemoOptions) {
  const { deployment, folder } = scene;
  title(scene, `6. The service is rolled out to the west: ${rows} of its flights arrive`);
  const flights = await sampleMarch('west', rows, seed);
  const firstAt = new Date();
  const traffic = await sendFlights(await openApi(deployment), {
    model,
    flights,
    seed,
    maximumRows,
    onRows: counter(scene, flights.length),
  });
  const alarmAt = await alarmRaised(scene, 'features-drifted', firstAt);
  scene.note(`  CloudWatch alarm features-drifted after ${between(firstAt, alarmAt)} s`);
  const drifted = await reportThat(scene, 'a check that sees drift', ({ status }) => {
    return status === 'drifted';
  });
  for (const line of describeDrift(drifted)) scene.note(`  ${line}`);
  const wish = await waitFor<RetrainingWish>(scene, {
    what: 'the policy to keep the wish',
    async ask() {
      const kept = (await deployment.retraining.read(model))?.state.retrainWanted[0];
      return kept ? { found: kept } : { meanwhile: 'the alarm is on its way' };
    },
  });
  await showCommand(scene, ['status', model]);
  const labelFile = join(folder, 'west-march-labels.csv');
  writeLabelFile(labelFile, flights);
  const labelsAt = new Date();
  await showCommand(scene, ['labels', model, labelFile]);
  const followed = await ownRun(scene, labelsAt);
  const { run } = followed;
  const entries = await deployment.ledger.entries(model);
  const liveAt = entries.findLast(
    ({ state, version }) => state === 'live' && version === run.version,
  )?.at;
  return {
    traffic,
    psi: psiOf(drifted),
    drifted: drifted.drifted,
    wish,
    followed,
    seconds: {
      toAlarm: between(firstAt, alarmAt),
      toLabels: between(firstAt, labelsAt),
      toStart: between(firstAt, run.startedAt),
      toLive: liveAt === undefined ? Number.NaN : between(firstAt, liveAt),
      labelsToLive: liveAt === undefined ? Number.NaN : between(labelsAt, liveAt),
    },
  };
}

/** The gate's document about a run. */
export async function verdictOf({ deployment }: Scene, runId: string): Promise<Verdict> {
  const key = verdictKey(model, runId);
  return parseDocument(Verdict, await deployment.data.getJson(key), key);
}

/** Step 7: candidate against production on the same rows. */
export async function showComparison(scene: Scene, { runId }: Run): Promise<Verdict> {
  title(scene, '7. The candidate against production, on the same rows');
  await showCommand(scene, ['why', runId]);
  return verdictOf(scene, runId);
}
