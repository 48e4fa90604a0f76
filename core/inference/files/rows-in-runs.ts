import type { ModelInput } from '../versions/loaded-version.ts';

/** Consecutive rows as the model takes them, and their numbers. */
export interface ScoringRows {
  readonly numbers: BigInt64Array;
  readonly input: ModelInput;
}

/** 16 MB of features, and so many rows: with more, trees are walked no faster. */
const usualLimits = { rows: 2 ** 17, features: 2 ** 22 };

type Part = ScoringRows & { readonly input: Extract<ModelInput, { kind: 'features' }> };

function joined(parts: readonly Part[], rows: number, width: number): ScoringRows {
  const numbers = new BigInt64Array(rows);
  const features = new Float32Array(rows * width);
  let row = 0;
  for (const part of parts) {
    numbers.set(part.numbers, row);
    features.set(part.input.features, row * width);
    row += part.input.rows;
  }
  return { numbers, input: { kind: 'features', rows, features } };
}

const takesFeatures = (part: ScoringRows): part is Part => part.input.kind === 'features';

/**
 * Joins small parts to as many rows as are best run together, where the model takes features; a part of raw
 * columns stays one. A part that is over the limits alone is a run.
 */
export async function* inRuns(
  parts: AsyncIterable<ScoringRows>,
  limits = usualLimits,
): AsyncGenerator<ScoringRows> {
  let run: Part[] = [];
  let [rows, width] = [0, 0];
  for await (const part of parts) {
    if (!takesFeatures(part)) {
      yield part;
      continue;
    }
    const together = rows + part.input.rows;
    width = part.input.features.length / part.input.rows;
    if (run.length > 0 && (together > limits.rows || together * width > limits.features)) {
      yield joined(run, rows, width);
      [run, rows] = [[], 0];
    }
    run.push(part);
    rows += part.input.rows;
  }
  if (run.length > 0) yield joined(run, rows, width);
}
