import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { batchProgress } from '../../cli/batch/describe-batch.ts';
import {
  batchIdOf,
  batchInputName,
  batchPrefix,
  cutShards,
  latestManifestKey,
} from '../../core/inference/files/batch-documents.ts';
import { predictionOrigin, sortableId } from '../../core/inference/log/prediction-id.ts';

describe('the shards of a batch', () => {
  it('have every row once, in order, none with more than an id has digits for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1_000_000_000 }), (last) => {
        const shards = cutShards(last);
        let next = 1;
        for (const { first, last: end } of shards) {
          expect(first).toBe(next);
          expect(end - first).toBeLessThan(1_000_000);
          next = end + 1;
        }
        expect(next).toBe(last + 1);
        expect(shards.length).toBeLessThanOrEqual(1_000);
      }),
    );
  });

  it('are as many as are worth it, and not more rows than can be told apart', () => {
    expect(cutShards(100_000)).toEqual([{ first: 1, last: 100_000 }]);
    expect(cutShards(100_001)).toHaveLength(2);
    expect(() => cutShards(1_000_000_001)).toThrow(RangeError);
  });
});

describe('a batch', () => {
  const identity = {
    model: 'churn',
    version: 3,
    modelSha256: 'a'.repeat(64),
    featuresSha256: 'b'.repeat(64),
    input: { key: 'batch/churn/a.csv', sha256: 'c'.repeat(64) },
  };

  it('is the same for the same rows and version, and another one for others', () => {
    const { version, input } = identity;
    expect(batchIdOf({ ...identity })).toBe(batchIdOf(identity));
    expect(batchIdOf({ ...identity, version: version + 1 })).not.toBe(batchIdOf(identity));
    const other = { ...input, sha256: 'd'.repeat(64) };
    expect(batchIdOf({ ...identity, input: other })).not.toBe(batchIdOf(identity));
  });

  it('lies under the name of its file, however it came', () => {
    expect(batchInputName('churn', 'batch/churn/2026/a.csv')).toBe('2026/a.csv');
    expect(batchInputName('churn', `batch-files/churn/${'0'.repeat(16)}/a.csv`)).toBe('a.csv');
    const prefix = batchPrefix('churn', 'batch/churn/2026/a.csv', 'f00');
    expect(prefix).toBe('batch-predictions/churn/2026/a.csv/f00/');
    expect(latestManifestKey(prefix)).toBe('batch-predictions/churn/2026/a.csv/latest.json');
  });

  it.each(['landing/churn/a.csv', 'batch/churn-eu/a.csv', 'batch-files/churn/a.csv'])(
    'is not made of %s',
    (key) => {
      expect(() => batchInputName('churn', key)).toThrow(/put the file under batch\/churn\//);
    },
  );

  it('gives ids that lead to the version, up to its last row', () => {
    const id = `churn-v3-${sortableId(Date.parse('2026-11-26'), new Uint8Array(10))}-999999`;
    expect(predictionOrigin(id)).toEqual({ model: 'churn', version: 3 });
  });
});

describe('the progress of a batch', () => {
  it('is told when it has changed; what was there before has no speed', () => {
    const progress = batchProgress({ rows: 1_000, shards: cutShards(1_000, 250) }, 0);
    expect(progress([0], 1_000)).toBe('1/4 shards · 250 of 1,000 rows');
    expect(progress([0], 2_000)).toBeUndefined();
    expect(progress([0, 2], 2_500)).toBe('2/4 shards · 500 of 1,000 rows · 100 rows/s · 5 s to go');
    expect(progress([0, 1, 2, 3], 3_000)).toBe('4/4 shards · 1,000 of 1,000 rows');
  });
});
