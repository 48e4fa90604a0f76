import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createOnnxSession } from '../../adapters/onnx-session.ts';
import { alikeRowsTogether, orderOf } from '../../core/inference/batching/alike-rows.ts';
import { featureSpec, signature } from '../builders/model-version.ts';
import { type Stump, stumpsModel, stumpsPrediction } from '../builders/onnx-model.ts';

type Row = readonly number[];

const input = (rows: readonly Row[]) => ({
  kind: 'features' as const,
  rows: rows.length,
  features: Float32Array.from(rows.flat()),
});
const rowsOf = (features: Float32Array, width: number): string[] =>
  Array.from({ length: features.length / width }, (_, row) =>
    Buffer.from(features.slice(row * width, (row + 1) * width).buffer).toString('hex'),
  );
const rowsFrom = (value: fc.Arbitrary<number>, maximumWidth: number) =>
  fc
    .integer({ min: 1, max: maximumWidth })
    .chain((width) =>
      fc.array(fc.array(value, { minLength: width, maxLength: width }), { minLength: 1 }),
    );
const place = (row: Row): number => row.reduce((sum, value) => sum * 7 + value, 0);

describe('rows that are alike', () => {
  test('are ordered by their keys, and those of one key as they came', () => {
    const key = fc.oneof(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 3 }));
    fc.assert(
      fc.property(fc.array(key), (keys) => {
        const places = keys.map((_, at) => at);
        const sorted = places.sort((a, b) => (keys[a] ?? 0) - (keys[b] ?? 0) || a - b);
        expect([...orderOf(Uint32Array.from(keys))]).toEqual(sorted);
      }),
    );
  });

  test('are the same rows in another order, whatever is in them, and what is told of them comes back in theirs', () => {
    fc.assert(
      fc.property(rowsFrom(fc.float(), 40), (rows) => {
        const given = input(rows);
        const width = rows[0]?.length ?? 0;
        const before = rowsOf(given.features, width);
        const ordered = alikeRowsTogether(width)(given);
        const found = rowsOf(ordered.input.features, width);
        expect(rowsOf(given.features, width)).toEqual(before);
        expect([...found].sort()).toEqual([...before].sort());
        const told = Float32Array.from(found, (row) => before.indexOf(row));
        const back = [...ordered.restored(told)];
        expect(back).toEqual(before.map((row) => before.indexOf(row)));
      }),
    );
  });

  test('are next to each other where they are equal', () => {
    fc.assert(
      fc.property(rowsFrom(fc.integer({ min: 0, max: 6 }), 4), (rows) => {
        const width = rows[0]?.length ?? 0;
        const found = rowsOf(alikeRowsTogether(width)(input(rows)).input.features, width);
        const changes = found.filter((row, at) => row !== found[at - 1]).length;
        expect(changes).toBe(new Set(rows.map(place)).size);
      }),
    );
  });

  test('have the bits from trees that each has alone', async () => {
    const float = fc.float({ noNaN: true, min: -100, max: 100 });
    const stump: fc.Arbitrary<Stump> = fc.record({
      feature: fc.constantFrom(0, 1),
      below: float,
      missingLeft: fc.boolean(),
      left: float,
      right: float,
    });
    const value = fc.oneof(float, fc.constant(Number.NaN));
    const rows = fc.array(fc.tuple(value, value), { minLength: 1, maxLength: 60 });
    const stumps = fc.array(stump, { minLength: 1, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(stumps, rows, async (trees, some) => {
        const session = await createOnnxSession({
          ...{ runtime: 'onnx', onnx: stumpsModel(2, trees) },
          ...{ spec: featureSpec(), signature: signature() },
        });
        // So many that they are put in order.
        const many = Array.from({ length: 300 }, (_, i) => some[(i * 7) % some.length] ?? [0, 0]);
        const { predictions } = await session.run(input(many));
        const alone = await Promise.all(some.map((row) => session.run(input([row]))));
        await session.release();
        const expected = some.map((row) => stumpsPrediction(trees, row));
        expect(alone.map((answer) => answer.predictions[0])).toEqual(expected);
        expect([...predictions]).toEqual(many.map((_, i) => expected[(i * 7) % some.length]));
      }),
      { numRuns: 30 },
    );
  });
});
