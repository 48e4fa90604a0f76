import type { PredictionPair } from './compare-predictions.ts';
import { allowedDifference, type ModelKind } from './parity-tolerance.ts';

export interface SystematicDifference {
  readonly text: string;
  /** Whether the file with the predictions is wrong for certain, whatever the version answers. */
  readonly isOfInput: boolean;
}

type Pair = Pick<PredictionPair, 'expected' | 'actual'>;

/** What the notebook's number may be instead of the prediction that the endpoint answers with. */
const relations: readonly (SystematicDifference & {
  readonly answered: (e: number) => number;
})[] = [
  {
    isOfInput: true,
    text: 'the notebook has the probability of class 0; write the column of class 1, predict_proba(…)[:, 1]',
    answered: (e) => 1 - e,
  },
  {
    isOfInput: true,
    text: 'the notebook has log-odds (the raw margin); write probabilities',
    answered: (e) => 1 / (1 + Math.exp(-e)),
  },
  { isOfInput: true, text: 'the notebook has per cent; divide by 100', answered: (e) => e / 100 },
  {
    isOfInput: false,
    text: 'the version answers with the logarithm ln(1 + x) of what the notebook has: undo it on one side only',
    answered: Math.log1p,
  },
  {
    isOfInput: false,
    text: 'the notebook has the logarithm ln(1 + x) of what the version answers with: undo it on one side only',
    answered: Math.expm1,
  },
  {
    isOfInput: false,
    text: 'the version answers with the logarithm of what the notebook has: undo it on one side only',
    answered: Math.log,
  },
  {
    isOfInput: false,
    text: 'the notebook has the logarithm of what the version answers with: undo it on one side only',
    answered: Math.exp,
  },
];

/** A transform computed twice, here and in the notebook, may be off by a few roundings. */
const roundings = 10;

const isClose = (kind: ModelKind, expected: number, actual: number): boolean =>
  Math.abs(expected - actual) <=
  roundings * allowedDifference(kind === 'quantised' ? 'network' : kind, expected);

function isOtherOrder(pairs: readonly Pair[], kind: ModelKind): boolean {
  const ascending = (values: number[]) => values.sort((a, b) => a - b);
  const expected = ascending(pairs.map((pair) => pair.expected));
  const actual = ascending(pairs.map((pair) => pair.actual));
  return expected.every((value, i) => isClose(kind, value, actual[i] ?? Number.NaN));
}

const ofInput = (text: string): SystematicDifference => ({ text, isOfInput: true });

/**
 * What makes all rows different at once, where it is one of the usual mistakes; undefined where it is none
 * of them.
 */
export function systematicDifference(
  pairs: readonly Pair[],
  kind: ModelKind,
): SystematicDifference | undefined {
  if (pairs.length < 2) return undefined;
  const isClasses = (side: keyof Pair) =>
    pairs.every((pair) => pair[side] === 0 || pair[side] === 1);
  if (isClasses('expected') && !isClasses('actual')) {
    return ofInput(
      'the notebook has 0 and 1 only, the predicted classes; write probabilities, predict_proba(…)[:, 1]',
    );
  }
  if (isOtherOrder(pairs, kind)) {
    return ofInput(
      'both sides have the same predictions in another order: the key does not name the rows that were predicted',
    );
  }
  const found = relations.find(({ answered }) =>
    pairs.every(({ expected, actual }) => isClose(kind, answered(expected), actual)),
  );
  return found && { text: found.text, isOfInput: found.isOfInput };
}
