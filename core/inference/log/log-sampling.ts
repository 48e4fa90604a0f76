import { hash } from 'node:crypto';
import type { Prediction } from '../predict.ts';
import type { PredictionRecord } from './prediction-record.ts';

const range = 2 ** 48;

/** Of a prediction id `<model>-v<version>-<request>-<row>`, all but the row. */
const requestOf = (predictionId: string): string =>
  predictionId.slice(0, predictionId.lastIndexOf('-'));

/**
 * Whether a log that keeps a share of the requests keeps this one: by a hash of the prediction's id without
 * its row, so that a request is kept whole or not at all, and whoever has an id can say which.
 */
export function keptInLog(predictionId: string, sampleRate = 1): boolean {
  if (sampleRate >= 1) return true;
  const digest = hash('sha256', requestOf(predictionId), 'hex');
  return Number.parseInt(digest.slice(0, 12), 16) / range < sampleRate;
}

/** The share of the requests that a record says is kept, where this one is; undefined where it is not. */
function shareOf({ ids, purpose }: Pick<Prediction, 'ids' | 'purpose'>, sampleRate: number) {
  const [first] = ids;
  // Who compares looks for each record.
  if (sampleRate >= 1 || first === undefined || purpose) return 1;
  return keptInLog(first, sampleRate) ? sampleRate : undefined;
}

/** What of a prediction goes into the log; nothing is made of what does not. */
export function loggedRecords(
  prediction: Pick<Prediction, 'ids' | 'purpose' | 'records'>,
  sampleRate = 1,
): readonly PredictionRecord[] {
  const share = shareOf(prediction, sampleRate);
  if (share === undefined) return [];
  if (share === 1) return prediction.records();
  return prediction.records().map((record) => ({ ...record, sampleRate: share }));
}

/** The same as lines of JSON, without their ends. */
export function loggedLines(
  prediction: Pick<Prediction, 'ids' | 'purpose' | 'lines'>,
  sampleRate = 1,
): readonly string[] {
  const share = shareOf(prediction, sampleRate);
  return share === undefined ? [] : prediction.lines(share);
}
