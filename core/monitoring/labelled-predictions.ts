import type { z } from 'zod';
import { LabelRecord, PredictionRecord } from '../inference/prediction-record.ts';
import type { LogHour, TimeWindow } from './log-window.ts';

/** A prediction that turned out: one line of labelled/<model>/dt=…/hour=….jsonl. */
export const LabelledPrediction = PredictionRecord.pick({
  predictionId: true,
  version: true,
  predictedAt: true,
  prediction: true,
}).extend({ label: LabelRecord.shape.label });
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
