/** A failure in the user's own code, as the trainer tells it. */
export interface UserFailure {
  /** File, line, function and error, as in `train.py:41 in train: KeyError: 'plan'`. */
  readonly headline: string;
  /** The way there through the user's files, outermost first: each place, and its line of code. */
  readonly trace: readonly string[];
}

const headlinePattern = /^[^\s:]+\.py:\d+(?: in \S+)?: \S.*$/;

/** SageMaker's words around what the container said. */
const unwrapped = (text: string): string =>
  text.replace(/^AlgorithmError: /, '').replace(/, exit code: -?\d+$/, '');

/** What SageMaker gives as the reason of a failed job, where it is a failure of the user's code. */
export function userFailure(failureReason: string): UserFailure | undefined {
  const [first = '', ...more] = unwrapped(failureReason.trim()).split('\n');
  if (!headlinePattern.test(first)) return undefined;
  return {
    headline: first,
    trace: more.map((line) => line.trimEnd()).filter((line) => line !== ''),
  };
}

/** Whether the first of a run's reasons is such a failure. */
export const isUserFailure = ([first = '']: readonly string[]): boolean =>
  headlinePattern.test(first);
