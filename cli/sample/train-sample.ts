// A training on this machine, of some of a file's rows: the pipeline's own code, without a cloud.
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { ModelFolder } from '../../config/models.ts';
import type { Terminal } from '../terminal.ts';
import { inWorkFolder, type WorkFolder } from '../work-folder.ts';
import { judgeSample, type SampleVerdict } from './judge-sample.ts';
import { runTrainer, writeConfiguration, writeProgram } from './run-trainer.ts';
import { type SampleChannels, writeChannels } from './sample-rows.ts';

export interface SampleResult extends SampleVerdict {
  readonly model: string;
  readonly data: string;
  readonly rows: SampleChannels['rows'];
  /** Of reading rows, of training, and of all. */
  readonly seconds: {
    readonly features: number;
    readonly training: number;
    readonly total: number;
  };
}

export interface TrainSampleRequest {
  /** Folder of the Python environment that trains. */
  readonly environment: string;
  readonly data: string;
  /** All without it. */
  readonly rows: number | undefined;
}

const rounded = (milliseconds: number): number => Math.round(milliseconds) / 1_000;

async function timed<T>(work: () => Promise<T>): Promise<readonly [T, number]> {
  const startedAt = performance.now();
  const result = await work();
  return [result, rounded(performance.now() - startedAt)];
}

async function trainIn(
  { folder: base, stopped }: WorkFolder,
  folder: ModelFolder,
  { environment, ...request }: TrainSampleRequest,
  { note }: Pick<Terminal, 'note'>,
): Promise<Omit<SampleResult, 'model' | 'data'>> {
  const { definition } = folder;
  const startedAt = performance.now();
  const channelsFolder = join(base, 'input', 'data');
  const [channels, features] = await timed(() =>
    writeChannels({ definition, ...request, use: 'training' }, channelsFolder),
  );
  const { rows } = channels;
  note(`  ${rows.train} rows to train on, ${rows.holdout} held out, of ${rows.file}`);
  await writeConfiguration(base, definition);
  if (definition.training.trainer === 'python') {
    await writeProgram(environment, folder.folder, channelsFolder);
  }
  await mkdir(join(base, 'model'), { recursive: true });
  const [, training] = await timed(() => runTrainer(environment, base, { note, stopped }));
  const verdict = await judgeSample(definition, channels, join(base, 'model'));
  const total = rounded(performance.now() - startedAt);
  return { rows, ...verdict, seconds: { features, training, total } };
}

/**
 * Trains a model on rows of a file.
 * @throws CommandError where the rows do not hold the rules of model.ts, or the training failed
 */
export async function trainSample(
  folder: ModelFolder,
  request: TrainSampleRequest,
  terminal: Pick<Terminal, 'note'>,
): Promise<SampleResult> {
  const result = await inWorkFolder('slipway-sample-', (given) =>
    trainIn(given, folder, request, terminal),
  );
  return { model: folder.definition.name, data: request.data, ...result };
}
