import type { Deployment } from '../deployment.ts';
import { uploadFiles } from '../drop-files.ts';
import { followRun } from '../follow-run.ts';
import { askForRun, person } from '../runs.ts';
import { styled, type Terminal } from '../terminal.ts';

/** The model that the demo plays with. */
export const model = 'flight-delay';
/** Rows of one request at most. */
export const maximumRows = 50;

export interface DemoOptions {
  readonly seed: number;
  /** Flights of each coast that arrive as requests. */
  readonly rows: number;
}

/** Where a step of the demo plays. */
export type Scene = Pick<Terminal, 'note'> & {
  readonly deployment: Deployment;
  /** Files that are dropped are made here. */
  readonly folder: string;
};

export const title = ({ note }: Pick<Terminal, 'note'>, text: string): void =>
  note(`\n${styled('bold', text)}`);

/** Uploads files and follows the run that takes them in. */
export async function dropAndFollow(scene: Scene, paths: readonly string[]) {
  const { deployment } = scene;
  const dropped = await uploadFiles(deployment.data, model, paths, scene);
  const { runId } = await askForRun(deployment.model(model), {
    kind: 'person',
    by: person(),
    settled: true,
  });
  return { dropped, followed: await followRun(deployment, runId, scene) };
}
