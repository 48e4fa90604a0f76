import type { RunTrigger } from '../core/registry/records.ts';
import type { RunLock } from '../core/training/run-lock.ts';
import type { RunAnswer } from './runs.ts';

const starters: Readonly<Record<RunTrigger['kind'], string>> = {
  drop: 'a drop of',
  person: 'a request of',
  retry: 'a retry of',
  import: 'an import of',
  alarm: 'the alarm',
  schedule: 'the schedule',
};

function starter({ kind, by }: RunTrigger): string {
  // A drop that a file told of is known by the file, one that a person told of by the person.
  if (kind === 'drop' && !by.includes('/')) return `a drop by ${by}`;
  return `${starters[kind]} ${by}`;
}

const current = 'it trains what is deployed';

/** Who started the run that a request joined or waits for; undefined where the run is the request's own. */
export function describeJoined(answer: RunAnswer, lock: RunLock | undefined): string | undefined {
  if (!lock) return undefined;
  const started = `started by ${starter(lock.trigger)} at ${lock.acquiredAt}`;
  if (answer.outcome === 'coalesced' && lock.runId === answer.runId) {
    return `This run was ${started}; ${current}.`;
  }
  if (answer.outcome === 'queued' && lock.next?.runId === answer.runId) {
    return `It follows run ${lock.runId}, which was ${started}; ${current}.`;
  }
  return undefined;
}
