import { sha256 } from '../canonical-json.ts';
import type { ModelDefinition } from '../model/define-model.ts';
import type { RawColumns, RawValue } from './raw-values.ts';

/** The column that decides on which side a row is; a time in it is in microseconds, UTC. */
export function holdoutColumn({
  data,
  evaluation,
}: Pick<ModelDefinition, 'data' | 'evaluation'>): string {
  if (evaluation.holdout.by !== 'time') return evaluation.holdout.column;
  // The definition's check sees to it that a holdout by time has an event time.
  return data.eventTime ?? '';
}

const dayMicros = 86_400_000_000;

/** A number in [0, 1) that depends on the value alone. */
const fractionOf = (value: Exclude<RawValue, null>): number =>
  Number.parseInt(sha256(String(value)).slice(0, 8), 16) / 2 ** 32;

/**
 * Tells of each row whether it is held out; every other row is for training. Rows without a value in the
 * deciding column are for training.
 * @param newest the latest event time of all rows, microseconds UTC; null where there is none
 */
export function holdoutTest(
  definition: ModelDefinition,
  newest: number | null,
): (columns: RawColumns, row: number) => boolean {
  const { holdout } = definition.evaluation;
  const column = holdoutColumn(definition);
  const decide = decision(holdout, newest);
  const decided = new Map<RawValue, boolean>();
  return (columns, row) => {
    const value = columns[column]?.[row] ?? null;
    if (value === null) return false;
    if (holdout.by !== 'group') return decide(value);
    let known = decided.get(value);
    if (known === undefined) {
      known = decide(value);
      decided.set(value, known);
    }
    return known;
  };
}

function decision(
  holdout: ModelDefinition['evaluation']['holdout'],
  newest: number | null,
): (value: Exclude<RawValue, null>) => boolean {
  switch (holdout.by) {
    case 'time': {
      const cutoff = (newest ?? 0) - Math.round(holdout.days * dayMicros);
      return (value) => Number(value) > cutoff;
    }
    case 'group':
      return (value) => fractionOf(value) < holdout.fraction;
    case 'column':
      return (value) => value === holdout.value;
  }
}
