import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openDeployment } from '../deployment.ts';
import { type Laptop, startLaptop } from '../laptop.ts';
import type { Terminal } from '../terminal.ts';
import { serveTheEast } from './east-march.ts';
import { trainFirstVersion } from './first-version.ts';
import { takePicture } from './picture.ts';
import { forceAndRollBack } from './rejected-candidate.ts';
import { type DemoReport, makeReport } from './report.ts';
import { type DemoOptions, model, type Scene, title } from './scene.ts';
import { rollOutToTheWest, showComparison, showQuietEast } from './west-march.ts';

/** Step 1: the laptop cloud and its stacks, with the seconds they took. */
export async function setTheScene(
  terminal: Pick<Terminal, 'note'>,
): Promise<{ laptop: Laptop; deploySeconds: number }> {
  title(terminal, '1. The laptop cloud and its stacks');
  const startedAt = performance.now();
  const laptop = await startLaptop(terminal);
  return { laptop, deploySeconds: (performance.now() - startedAt) / 1_000 };
}

/** The steps after it, in their order. */
async function play(scene: Scene, options: DemoOptions & { readonly picture: string }) {
  const trained = await trainFirstVersion(scene);
  const served = await serveTheEast(scene, options);
  const quiet = await showQuietEast(scene, options);
  const west = await rollOutToTheWest(scene, options);
  const comparison = await showComparison(scene, west.followed.run);
  const rejected = await forceAndRollBack(scene, options, west.followed.run.version ?? 0);
  const picture = await takePicture(scene, options.picture);
  return { ...trained, ...served, quiet, west, comparison, rejected, picture };
}

/** Steps 2 to 9, on a laptop cloud that was just deployed. */
export async function runDemo(
  { note }: Pick<Terminal, 'note'>,
  {
    port,
    deploySeconds,
    ...options
  }: DemoOptions & { port: number; deploySeconds: number; picture: string },
): Promise<DemoReport> {
  const startedAt = performance.now();
  const folder = mkdtempSync(join(tmpdir(), 'slipway-demo-'));
  const removeFolder = () => rmSync(folder, { recursive: true, force: true });
  process.once('exit', removeFolder);
  try {
    const deployment = await openDeployment({ env: 'local', cloud: String(port) });
    const found = await play({ note, deployment, folder }, options);
    const totalSeconds = deploySeconds + (performance.now() - startedAt) / 1_000;
    const { seed, rows } = options;
    return makeReport({ model, seed, rows, deploySeconds, totalSeconds, ...found });
  } finally {
    removeFolder();
    process.off('exit', removeFolder);
  }
}
