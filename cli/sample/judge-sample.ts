// How good what was trained on a sample is, with the gate's own rules.
import { copyFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { withDuckdb } from '../../adapters/duckdb-database.ts';
import { inputBatches, meanLabel } from '../../adapters/duckdb-feature-table.ts';
import { createModelSession } from '../../adapters/model-session.ts';
import { ParitySample, parityInput } from '../../core/inference/parity/parity-sample.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { type MetricName, metricsOfTask } from '../../core/model/evaluation-section.ts';
import { parseDocument } from '../../core/parse-document.ts';
import { evaluate } from '../../core/training/evaluation.ts';
import { ModelKind } from '../../core/training/gate-rules.ts';
import { metrics } from '../../core/training/metrics.ts';
import type { SampleChannels } from './sample-rows.ts';

/** metrics.json, as far as it is shown. */
const TrainerMetrics = z.object({
  kind: ModelKind.optional(),
  library: z.string().optional(),
  validation: z.record(z.string(), z.number().nullable()).optional(),
});

export interface SampleVerdict {
  /** On the holdout's rows; none where they have no such metric. */
  readonly metrics: Readonly<Partial<Record<MetricName, number>>>;
  /** The mean of the training labels for every row. */
  readonly baseline: Readonly<Partial<Record<MetricName, number>>>;
  readonly export: {
    readonly file: 'model.onnx' | 'model.tar.gz';
    readonly bytes: number;
    readonly equal: boolean;
    readonly text: string;
  };
}

const readJson = async (path: string): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));

/** Trainers have names of their own for what the gate measures. */
const trainersName = (metric: MetricName): string => metric.replace('_', '');

interface Answers {
  readonly labels: readonly number[];
  /** Of a graph; empty without one. */
  readonly predictions: readonly number[];
  readonly parityPredictions: Float32Array;
  readonly trainLabelMean: number;
}

/** What is asked of the rows, and of a graph where there is one. */
function answersOf(
  { spec, signature, trainFile, holdoutFile }: SampleChannels,
  paritySample: ParitySample,
  onnx: Uint8Array | undefined,
): Promise<Answers> {
  return withDuckdb(async (database) => {
    const train = join(database.folder, 'train.parquet');
    const holdout = join(database.folder, 'holdout.parquet');
    await Promise.all([copyFile(trainFile, train), copyFile(holdoutFile, holdout)]);
    const session = onnx && (await createModelSession({ runtime: 'onnx', onnx, spec, signature }));
    try {
      const labels: number[] = [];
      const predictions: number[] = [];
      for await (const batch of inputBatches(database, [holdout], spec)) {
        labels.push(...batch.labels);
        if (session) predictions.push(...(await session.run(batch.input)).predictions);
      }
      const asked = await session?.run(parityInput(spec, paritySample));
      return {
        ...{ labels, predictions },
        parityPredictions: asked?.predictions ?? new Float32Array(),
        trainLabelMean: await meanLabel(database, [train]),
      };
    } finally {
      await session?.release();
    }
  });
}

type TrainerMetrics = z.infer<typeof TrainerMetrics>;

/** Of a graph: what the gate would say of it. */
function judgeGraph(
  { evaluation }: ModelDefinition,
  answers: Answers,
  paritySample: ParitySample,
  { kind = 'trees' }: TrainerMetrics,
  bytes: number,
): SampleVerdict {
  const found = evaluate(evaluation, {
    ...answers,
    ...{ paritySample, kind, runtime: 'onnx', slices: new Map(), seed: 'sample' },
    production: { outcome: 'nothing_live' },
    measurement: { outcome: 'not_measured', reason: 'nothing is served' },
  });
  const parity = found.rules.find(({ rule }) => rule === 'parity');
  const equal = parity?.outcome === 'passed';
  const file = 'model.onnx';
  return {
    metrics: found.metrics,
    baseline: found.baseline.metrics,
    export: { file, bytes, equal, text: parity?.text ?? 'not compared' },
  };
}

/** Of a container: what the trainer measured with the code that serves. */
function judgeContainer(
  { evaluation: { task } }: ModelDefinition,
  { labels, trainLabelMean }: Answers,
  _: ParitySample,
  { validation = {} }: TrainerMetrics,
  bytes: number,
): SampleVerdict {
  const constant = new Float64Array(labels.length).fill(trainLabelMean);
  const known = metricsOfTask[task].flatMap((name) => {
    const value = validation[trainersName(name)];
    return value === undefined || value === null ? [] : [[name, value] as const];
  });
  // The trainer refuses an archive that does not.
  const text = 'unpacked anew, it answered as what was trained';
  return {
    metrics: Object.fromEntries(known),
    baseline: Object.fromEntries(
      known.map(([name]) => [name, metrics[name](labels, constant)] as const),
    ),
    export: { file: 'model.tar.gz', bytes, equal: true, text },
  };
}

/** Judges what a training left in its model folder. */
export async function judgeSample(
  definition: ModelDefinition,
  channels: SampleChannels,
  modelFolder: string,
): Promise<SampleVerdict> {
  const document = async <Schema extends z.ZodType>(schema: Schema, name: string) =>
    parseDocument(schema, await readJson(join(modelFolder, name)), name);
  const found = await document(TrainerMetrics, 'metrics.json');
  const paritySample = await document(ParitySample, 'parity.json');
  const isGraph = definition.serving.target !== 'container';
  const file = join(modelFolder, isGraph ? 'model.onnx' : 'model.tar.gz');
  const onnx = isGraph ? await readFile(file) : undefined;
  const answers = await answersOf(channels, paritySample, onnx);
  const judge = isGraph ? judgeGraph : judgeContainer;
  return judge(definition, answers, paritySample, found, (await stat(file)).size);
}
