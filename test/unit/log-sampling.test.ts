import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { keptInLog, loggedRecords } from '../../core/inference/log/log-sampling.ts';
import { predictionIds, sortableId } from '../../core/inference/log/prediction-id.ts';
import { PredictionRecord } from '../../core/inference/log/prediction-record.ts';

const origin = { model: 'parcel-weight', version: 3 };
const idsOf = (request: number, rows: number): string[] =>
  predictionIds(origin, sortableId(1_700_000_000_000 + request), rows);
const recordOf = (predictionId: string): PredictionRecord => ({
  ...{ predictionId, requestId: 'r', ...origin },
  ...{ predictedAt: '2026-03-01T00:00:00.000Z', entityKey: null, inputs: {}, features: {} },
  ...{ prediction: 1, latencyMs: 1 },
});
/** A prediction that counts how often its records are made. */
function predictionOf(ids: readonly string[], purpose?: 'parity') {
  const prediction = {
    ...{ ids, purpose, made: 0 },
    records: () => {
      prediction.made += 1;
      return ids.map(recordOf);
    },
  };
  return prediction;
}
const rate = fc.double({ min: 0.01, max: 0.99, noNaN: true });

describe('a log that keeps a share of the requests', () => {
  test('keeps about that share of them', () => {
    for (const share of [0.05, 0.5, 0.9]) {
      const requests = Array.from({ length: 4_000 }, (_, i) => idsOf(i, 1)[0] as string);
      const kept = requests.filter((id) => keptInLog(id, share)).length / requests.length;
      // Five standard errors of 4,000 draws.
      expect(Math.abs(kept - share)).toBeLessThan(5 * Math.sqrt((share * (1 - share)) / 4_000));
    }
  });

  test('keeps a request whole or not at all, always the same, and each that a smaller share keeps', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 20 }), rate, rate, (request, rows, a, b) => {
        const ids = idsOf(request, rows);
        const kept = ids.map((id) => keptInLog(id, a));
        expect(new Set(kept).size).toBe(1);
        expect(ids.map((id) => keptInLog(id, a))).toEqual(kept);
        if (kept[0] && b >= a) expect(keptInLog(ids[0] as string, b)).toBe(true);
      }),
    );
  });

  test('says in each record which share it is, and makes none of what it does not keep', () => {
    fc.assert(
      fc.property(fc.nat(), fc.integer({ min: 1, max: 5 }), rate, (request, rows, share) => {
        const prediction = predictionOf(idsOf(request, rows));
        const records = loggedRecords(prediction, share);
        const kept = keptInLog(prediction.ids[0] as string, share);
        expect([records.length, prediction.made]).toEqual(kept ? [rows, 1] : [0, 0]);
        for (const record of records) expect(PredictionRecord.parse(record).sampleRate).toBe(share);
      }),
    );
  });

  test('keeps everything where no share is named, and what somebody compares', () => {
    for (let request = 0; request < 20; request += 1) {
      const all = loggedRecords(predictionOf(idsOf(request, 2)));
      expect(all).toHaveLength(2);
      expect(all[0]).not.toHaveProperty('sampleRate');
      expect(loggedRecords(predictionOf(idsOf(request, 2), 'parity'), 0.01)).toHaveLength(2);
    }
  });
});
