import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Run } from '../../core/registry/records.ts';
import { openApi } from '../api-client.ts';
import { CommandError, exitCodes } from '../command-error.ts';
import { type Deployment, openDeployment } from '../deployment.ts';
import { uploadFiles } from '../drop-files.ts';
import { followRun } from '../follow-run.ts';
import { type Laptop, startLaptop } from '../laptop.ts';
import { verifyLineage } from '../lineage.ts';
import { askForRun, describeRun, person } from '../runs.ts';
import { seconds, styled, type Terminal, withProgress } from '../terminal.ts';
import { type Flight, sampleMarch, writeBrokenFile, writeTrainingFiles } from './flights.ts';
import { orderInterruption, tellTraining } from './interruption.ts';
import { type DemoReport, makeReport } from './report.ts';
import { readServed } from './served.ts';
import { sendFlights, sendLabels, type Traffic } from './traffic.ts';

const model = 'flight-delay';
const maximumRows = 50;

export interface DemoOptions {
  readonly seed: number;
  readonly rows: number;
}

type Scene = Pick<Terminal, 'note'> & { readonly deployment: Deployment; readonly folder: string };

const title = ({ note }: Pick<Terminal, 'note'>, text: string) => note(`\n${styled('bold', text)}`);

/** Uploads files and follows the run that takes them in. */
async function dropAndFollow(scene: Scene, paths: readonly string[]) {
  const { deployment } = scene;
  const dropped = await uploadFiles(deployment.data, model, paths, scene);
  const { runId } = await askForRun(deployment.model(model), {
    kind: 'person',
    by: person(),
    settled: true,
  });
  return { dropped, followed: await followRun(deployment, runId, scene) };
}

/** Step 2: January and February are dropped, trained on, registered and live. */
async function trainFirstVersion(scene: Scene) {
  const { deployment, folder, note } = scene;
  title(scene, '2. East, January and February: drop, validate, train, register, live');
  const files = await withProgress(scene, 'preparing the flights', () =>
    writeTrainingFiles(folder),
  );
  const droppedRows = files.reduce((sum, { rows }) => sum + rows, 0);
  note(`  ${droppedRows} flights in ${files.length} files; their hour is not used: it is that of`);
  note('  the actual departure and would give the delay away');
  await orderInterruption(deployment.laptop?.endpoint ?? '', model);
  const { dropped, followed } = await dropAndFollow(
    scene,
    files.map(({ path }) => path),
  );
  for (const line of describeRun(followed.run)) note(`  ${line}`);
  const { run } = followed;
  if (run.outcome !== 'live' || run.version === undefined || run.trainingJobName === undefined) {
    throw new CommandError(
      `the first drop was to bring a version live and ended as ${run.outcome ?? run.status}: ${run.reasons.join('; ')}`,
      run.outcome === 'rejected' ? exitCodes.rejected : exitCodes.failed,
    );
  }
  const version = await deployment.registry.getVersion(model, run.version);
  const verified = await verifyLineage(deployment, version, scene);
  const hashes = {
    verified: verified.length,
    different: verified.filter(({ equal }) => !equal).map(({ what }) => what),
  };
  const metrics = await deployment.artifacts.getJson(`${version.artifactsPrefix}metrics.json`);
  const training = await tellTraining(run.trainingJobName, metrics);
  note(
    `  killed at round ${training.killedAtRound}, resumed from the checkpoint of round ${training.resumedFromRound}`,
  );
  return { dropped, droppedRows, first: followed, version, hashes, training };
}

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

/** Says how many rows were answered, at most once a second. */
function counter(scene: Scene, total: number, atShare: number, then: () => void) {
  const startedAt = performance.now();
  let toldAt = startedAt;
  let done = false;
  return (rows: number) => {
    const now = performance.now();
    if (now - toldAt > 2_000) {
      toldAt = now;
      scene.note(`  ${rows} of ${total} rows answered, ${seconds(now - startedAt)}`);
    }
    if (!done && rows >= total * atShare) {
      done = true;
      then();
    }
  };
}

const meanwhile = ({ requests }: Traffic, from: number, until: number): number =>
  requests.filter(({ sentAt, endToEndMs }) => sentAt >= from && sentAt + endToEndMs <= until)
    .length;

/** Steps 3 and 4: requests, labels, and a broken file in between. */
async function serve(scene: Scene, { rows, seed }: DemoOptions) {
  const { deployment } = scene;
  title(scene, `3. ${rows} flights of east March arrive as requests; 4. a broken file in between`);
  const flights = await withProgress(scene, 'sampling March', () => sampleMarch(rows, seed));
  const api = await openApi(deployment);
  let broken: ReturnType<typeof dropBrokenFile> | undefined;
  const traffic = await sendFlights(api, {
    model,
    flights,
    seed,
    maximumRows,
    onRows: counter(scene, flights.length, 0.05, () => {
      broken = dropBrokenFile(scene, flights);
      // Awaited below; until then a failure is not unhandled.
      broken.catch(() => undefined);
    }),
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

/** Step 1: the laptop cloud and its stacks, with the seconds they took. */
export async function setTheScene(
  terminal: Pick<Terminal, 'note'>,
): Promise<{ laptop: Laptop; deploySeconds: number }> {
  title(terminal, '1. The laptop cloud and its stacks');
  const startedAt = performance.now();
  const laptop = await startLaptop(terminal);
  return { laptop, deploySeconds: (performance.now() - startedAt) / 1_000 };
}

/** Steps 2 to 4, on a laptop cloud that was just deployed. */
export async function runDemo(
  { note }: Pick<Terminal, 'note'>,
  { port, deploySeconds, ...options }: DemoOptions & { port: number; deploySeconds: number },
): Promise<DemoReport> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'slipway-demo-'));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);
  try {
    const deployment = await openDeployment({ env: 'local', cloud: String(port) });
    const scene: Scene = { note, deployment, folder };
    const trained = await trainFirstVersion(scene);
    const served = await serve(scene, options);
    const totalSeconds = deploySeconds + (performance.now() - startedAt) / 1_000;
    return makeReport({ model, ...options, deploySeconds, totalSeconds, ...trained, ...served });
  } finally {
    removeFolder();
    process.off('exit', removeFolder);
  }
}
