import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { inRuns, type ScoringRows } from '../../core/inference/files/rows-in-runs.ts';

const width = 3;

const featuresOf = (numbers: BigInt64Array): Float32Array =>
  Float32Array.from([...numbers].flatMap((n) => [0, 1, 2].map((i) => Number(n) + i)));

/** Parts of so many rows each, numbered through; a row's features are its number and what follows it. */
function partsOf(sizes: readonly number[]): ScoringRows[] {
  let next = 1;
  return sizes.map((rows) => {
    const numbers = BigInt64Array.from({ length: rows }, () => BigInt(next++));
    return { numbers, input: { kind: 'features', rows, features: featuresOf(numbers) } };
  });
}

async function* following<T>(values: readonly T[]): AsyncGenerator<T> {
  yield* values;
}

describe('rows in runs', () => {
  test('are all there with their features, in order, as many in a run as the limits let', async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 30 });
    const limits = fc.record({
      rows: fc.integer({ min: 9, max: 40 }),
      features: fc.integer({ min: 9 * width, max: 40 * width }),
    });
    await fc.assert(
      fc.asyncProperty(sizes, limits, async (given, most) => {
        const parts = partsOf(given);
        const runs: ScoringRows[] = [];
        for await (const run of inRuns(following(parts), most)) runs.push(run);
        expect(runs.flatMap(({ numbers }) => [...numbers])).toEqual(
          parts.flatMap(({ numbers }) => [...numbers]),
        );
        const limit = Math.min(most.rows, Math.floor(most.features / width));
        for (const [i, { input, numbers }] of runs.entries()) {
          expect(input).toEqual({
            kind: 'features',
            rows: numbers.length,
            features: featuresOf(numbers),
          });
          expect(input.rows).toBeLessThanOrEqual(limit);
          // The part that follows had no room any more.
          const after = Number(numbers.at(-1)) + 1;
          const next = parts.find((part) => Number(part.numbers[0]) === after);
          if (i < runs.length - 1)
            expect(input.rows + (next?.input.rows ?? 0)).toBeGreaterThan(limit);
        }
      }),
    );
  });

  test('stay the parts they are where they have raw columns, and where one is over a limit alone', async () => {
    const columns: ScoringRows = {
      numbers: BigInt64Array.of(1n, 2n),
      input: { kind: 'columns', rows: 2, columns: { length: [1, null] } },
    };
    const found: ScoringRows[] = [];
    for await (const run of inRuns(following([columns, columns]))) found.push(run);
    expect(found).toEqual([columns, columns]);
    const sizes: number[] = [];
    for await (const { input } of inRuns(following(partsOf([1, 7, 1])), {
      rows: 2,
      features: 100,
    })) {
      sizes.push(input.rows);
    }
    expect(sizes).toEqual([1, 7, 1]);
  });
});
