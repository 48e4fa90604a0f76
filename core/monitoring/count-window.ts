import { PredictionRecord } from '../inference/prediction-record.ts';
import type { WindowCounts } from './judge-drift.ts';
import { type CellCounter, cellCounter, featureValue, type ReferenceProfile } from './profile.ts';

/** From inclusive, to exclusive. */
export interface TimeWindow {
  readonly from: Date;
  readonly to: Date;
}

const hourMs = 3_600_000;

/** The last whole hours before an instant. */
export const windowBefore = (to: Date, hours: number): TimeWindow => ({
  from: new Date(to.getTime() - hours * hourMs),
  to,
});

/**
 * Prefixes, one per hour, under which the log of a window's predictions lies. A record is in the folder of
 * the hour in which it came to the log, which is never before it was made.
 */
export function logPrefixes(model: string, { from, to }: TimeWindow): string[] {
  const prefixes: string[] = [];
  let at = Math.floor(from.getTime() / hourMs) * hourMs;
  for (; at <= to.getTime(); at += hourMs) {
    const [date, time = ''] = new Date(at).toISOString().split('T');
    prefixes.push(`predictions/${model}/dt=${date}/hour=${time.slice(0, 2)}/`);
  }
  return prefixes;
}

function parsedRecord(line: string): PredictionRecord | undefined {
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
