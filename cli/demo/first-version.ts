import { CommandError, exitCodes } from '../command-error.ts';
import { verifyLineage } from '../lineage.ts';
import { describeRun } from '../runs.ts';
import { withProgress } from '../terminal.ts';
import { writeTrainingFiles } from './flights.ts';
import { orderInterruption, tellTraining } from './interruption.ts';
import { dropAndFollow, model, type Scene, title } from './scene.ts';

/** Step 2: January and February are dropped, trained on, registered and live. */
export async function trainFirstVersion(scene: Scene) {
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
  if (version.origin !== 'trained')
    throw new Error(`the demo trains ${model}, and imports nothing`);
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
