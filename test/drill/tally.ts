/** What came of the requests of one phase. */
export interface Tally {
  readonly name: string;
  requests: number;
  answered: number;
  rows: number;
  /** Answers that are not Python's for the version that they name, or that no version gave. */
  wrong: number;
  /** 503 with Retry-After and 504, in the form that callers are promised. */
  declared: number;
  /** Everything else: connections that broke, other statuses, no reply in time. */
  undeclared: number;
  readonly latenciesMs: number[];
  readonly versions: Map<string, number>;
  /** The first ones, so that they can be looked into. */
  readonly samples: string[];
}

const samplesKept = 5;

export const newTally = (name: string): Tally => ({
  name,
  requests: 0,
  answered: 0,
  rows: 0,
  wrong: 0,
  declared: 0,
  undeclared: 0,
  latenciesMs: [],
  versions: new Map(),
  samples: [],
});

export function note(tally: Tally, what: 'wrong' | 'undeclared', text: string): void {
  tally[what] += 1;
  if (tally.samples.length < samplesKept) tally.samples.push(`${what}: ${text}`);
}

/** @param share 0.5 is the median */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? Number.NaN;
}
