import type { Run } from '../../core/registry/records.ts';
import { openApi } from '../api-client.ts';
import { describeRun } from '../runs.ts';
import { seconds, withProgress } from '../terminal.ts';
import { type Flight, sampleMarch, writeBrokenFile } from './flights.ts';
import { type DemoOptions, dropAndFollow, maximumRows, model, type Scene, title } from './scene.ts';
import { readServed } from './served.ts';
import { sendFlights, sendLabels, type Traffic } from './traffic.ts';

/** Runs that began after the broken file was dropped, whoever asked for them first. */
async function quarantineRun({ deployment }: Scene, followed: Run, since: number): Promise<Run> {
  if (followed.outcome === 'quarantined') return followed;
  const runs = await deployment.registry.listRuns(model, 10);
  const other = runs.find(
    ({ outcome, finishedAt }) =>
      outcome === 'quarantined' && finishedAt !== undefined && Date.parse(finishedAt) >= since,
  );
  return other ?? followed;
}

/** Step 4: a broken file is dropped while requests go on. */
async function dropBrokenFile(scene: Scene, flights: readonly Flight[]) {
  const { deployment, folder } = scene;
  const liveBefore = (await deployment.ledger.head(model)).live;
  const droppedAt = Date.now();
  const quiet = { ...scene, note: (line: string) => scene.note(`    broken file: ${line.trim()}`) };
  const path = writeBrokenFile(folder, flights.slice(0, 200));
  const { followed } = await dropAndFollow(quiet, [path]);
  const run = await quarantineRun(scene, followed.run, droppedAt);
  return {
    run,
    droppedAt,
    endedAt: Date.now(),
    keys: (await deployment.data.list(`quarantine/${model}/`)).map(({ key }) => key),
    liveBefore,
    liveAfter: (await deployment.ledger.head(model)).live,
  };
}

/** Says how many rows were answered, at most every other second. */
export function counter(
  scene: Scene,
  total: number,
  milestone?: { readonly atShare: number; readonly reached: () => void },
) {
  const startedAt = performance.now();
  let toldAt = startedAt;
  let pending = milestone;
  return (rows: number) => {
    const now = performance.now();
    if (now - toldAt > 2_000) {
      toldAt = now;
      scene.note(`  ${rows} of ${total} rows answered, ${seconds(now - startedAt)}`);
    }
    if (pending && rows >= total * pending.atShare) {
      pending.reached();
      pending = undefined;
    }
  };
}

const meanwhile = ({ requests }: Traffic, from: number, until: number): number =>
  requests.filter(({ sentAt, endToEndMs }) => sentAt >= from && sentAt + endToEndMs <= until)
    .length;

/** Steps 3 and 4: requests, labels, and a broken file in between. */
export async function serveTheEast(scene: Scene, { rows, seed }: DemoOptions) {
  const { deployment } = scene;
  title(scene, `3. ${rows} flights of east March arrive as requests; 4. a broken file in between`);
  const flights = await withProgress(scene, 'sampling March', () =>
    sampleMarch('east', rows, seed),
  );
  const api = await openApi(deployment);
  let broken: ReturnType<typeof dropBrokenFile> | undefined;
  const dropIt = () => {
    broken = dropBrokenFile(scene, flights);
    // Awaited below; until then a failure is not unhandled.
    broken.catch(() => undefined);
  };
  const traffic = await sendFlights(api, {
    model,
    flights,
    seed,
    maximumRows,
    onRows: counter(scene, flights.length, { atShare: 0.05, reached: dropIt }),
  });
  scene.note(
    `  ${traffic.requests.length} requests answered in ${seconds(traffic.wallSeconds * 1e3)}`,
  );
  const { droppedAt, endedAt, ...quarantine } = await (broken ?? dropBrokenFile(scene, flights));
  for (const line of describeRun(quarantine.run)) scene.note(`  ${line}`);
  await withProgress(scene, 'sending the labels', () => sendLabels(api, model, traffic.labels));
  const served = await readServed(
    deployment.data,
    model,
    new Set(traffic.labels.keys()),
    (logged) => scene.note(`  ${logged} of ${traffic.labels.size} predictions are in the log`),
  );
  const requestsMeanwhile = meanwhile(traffic, droppedAt, endedAt);
  return { traffic, served, quarantine: { ...quarantine, requestsMeanwhile } };
}
