import * as z from 'zod';
import { canonicalJson } from '../canonical-json.ts';
import { LabelRecord, PredictionRecord } from '../inference/log/prediction-record.ts';
import type { ModelDefinition } from '../model/define-model.ts';
import { parsedRecord } from './count-window.ts';
import type { LogHour, TimeWindow } from './log-window.ts';
import { trainingRowOf, whyNotTrainedOn } from './training-rows.ts';

/** A prediction that turned out: one line of labelled/<model>/dt=…/hour=….jsonl. */
export const LabelledPrediction = PredictionRecord.pick({
  predictionId: true,
  version: true,
  predictedAt: true,
  prediction: true,
}).extend({
  label: LabelRecord.shape.label,
  /** Whether it is a row of landing too. */
  isTrainedOn: z.boolean(),
});
export type LabelledPrediction = z.infer<typeof LabelledPrediction>;

export const labelledPrefix = (model: string): string => `labelled/${model}/`;
/** The labelled predictions of an hour. */
export const labelledKey = (model: string, hour: LogHour): string =>
  `${labelledPrefix(model)}${hour}.jsonl`;

/** Predictions made in a window, of those that an object of `labelledKey` holds. */
export function* labelledIn(
  text: string,
  version: number,
  { from, to }: TimeWindow,
): Generator<LabelledPrediction> {
  const [first, end] = [from.toISOString(), to.toISOString()];
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const labelled = LabelledPrediction.parse(JSON.parse(line));
    const { predictedAt } = labelled;
    if (labelled.version === version && predictedAt >= first && predictedAt < end) yield labelled;
  }
}

/** An hour's labelled predictions, as they are kept and as rows to train on: JSON Lines. */
export interface LabelledHour {
  readonly predictions: string;
  readonly trainingRows: string;
  /** How many of the latter. */
  readonly rows: number;
}

/** Makes what writes a labelled prediction down, as a line each; undefined where the log's line is no record. */
export function labelledLines(definition: ModelDefinition) {
  const why = whyNotTrainedOn(definition);
  const rowOf = trainingRowOf(definition);
  return (line: string, label: LabelledPrediction['label']) => {
    const record = parsedRecord(line);
    if (!record) return undefined;
    const { predictionId, version, predictedAt, prediction } = record;
    const row = why === undefined ? rowOf(record.inputs, label) : undefined;
    const isTrainedOn = row !== undefined;
    const kept: LabelledPrediction = {
      ...{ predictionId, version, predictedAt, prediction },
      ...{ label, isTrainedOn },
    };
    return {
      prediction: `${canonicalJson(kept)}\n`,
      trainingRow: row ? `${canonicalJson(row)}\n` : '',
    };
  };
}
