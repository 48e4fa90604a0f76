import { PredictionRecord } from '../inference/log/prediction-record.ts';
import type { WindowCounts } from './judge-drift.ts';
import type { TimeWindow } from './log-window.ts';
import { type CellCounter, cellCounter, featureValue, type ReferenceProfile } from './profile.ts';

/** A line of the prediction log; undefined where it is none. */
export function parsedRecord(line: string): PredictionRecord | undefined {
  try {
    return PredictionRecord.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

/** Counts a version's predictions of a window into the cells of its profile, line by line of the log. */
export function windowCounter(profile: ReferenceProfile, version: number, window: TimeWindow) {
  const counters = profile.features.map((feature): typeof feature & { counter: CellCounter } => ({
    ...feature,
    counter: cellCounter(feature.distribution.cells),
  }));
  const prediction = cellCounter(profile.prediction.cells);
  const [from, to] = [window.from.toISOString(), window.to.toISOString()];
  let rows = 0;
  let unreadable = 0;
  return {
    add(line: string): void {
      const record = parsedRecord(line);
      if (record?.model !== profile.model) {
        unreadable += 1;
        return;
      }
      const { predictedAt, features, inputs } = record;
      if (record.purpose !== undefined) return;
      if (record.version !== version || predictedAt < from || predictedAt >= to) return;
      rows += 1;
      for (const { name, column, transform, counter } of counters) {
        counter.add(featureValue(transform, features[name], inputs[column]));
      }
      prediction.add(record.prediction);
    },

    counted: (): WindowCounts & { readonly rows: number; readonly unreadable: number } => ({
      rows,
      unreadable,
      features: counters.map(({ counter }) => counter.counted()),
      prediction: prediction.counted(),
    }),
  };
}
