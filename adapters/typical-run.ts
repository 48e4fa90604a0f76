import type { FeatureSpec } from '../core/features/feature-spec.ts';
import { modelInput } from '../core/inference/model-input.ts';
import type { ModelInput, ModelSession } from '../core/inference/versions/loaded-version.ts';

/** Rows of a run while many ask. */
const typicalRows = 64;
const runs = 5;

/** Rows without values: the time of a run hardly depends on what they say. */
function emptyRows(spec: FeatureSpec): ModelInput {
  return modelInput(spec, { rows: typicalRows, columns: {} });
}

/** The median milliseconds of a run of a typical size, after one that warms up. */
export async function typicalRunMs(session: ModelSession, spec: FeatureSpec): Promise<number> {
  const input = emptyRows(spec);
  await session.run(input);
  const measured: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const startedAt = performance.now();
    await session.run(input);
    measured.push(performance.now() - startedAt);
  }
  return measured.toSorted((a, b) => a - b)[Math.floor(runs / 2)] ?? 0;
}
