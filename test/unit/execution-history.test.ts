import type { HistoryEvent } from '@aws-sdk/client-sfn';
import { describe, expect, it } from 'vitest';
import { failureOf } from '../../cli/execution-history.ts';

const entered = (name: string) =>
  ({ type: 'TaskStateEntered', stateEnteredEventDetails: { name, input: '{}' } }) as HistoryEvent;
const exited = (name: string) =>
  ({ type: 'TaskStateExited', stateExitedEventDetails: { name } }) as HistoryEvent;
const workerDied = {
  type: 'LambdaFunctionFailed',
  lambdaFunctionFailedEventDetails: { error: 'Runtime.ExitError', cause: 'killed' },
} as HistoryEvent;
const stopped = { type: 'ExecutionAborted', executionAbortedEventDetails: {} } as HistoryEvent;
const failed = {
  type: 'ExecutionFailed',
  executionFailedEventDetails: { error: 'States.Runtime', cause: 'no such path' },
} as HistoryEvent;

describe('what made an execution fail, when an earlier step had failed once and was repeated,', () => {
  const before = [entered('TakeSnapshot'), workerDied, exited('TakeSnapshot'), entered('Train')];

  it('is the step that it was stopped in', () => {
    expect(failureOf([...before, stopped])).toMatchObject({
      state: { name: 'Train' },
      error: 'ExecutionAborted',
    });
  });

  it("is the execution's own failure where no step failed since", () => {
    expect(failureOf([...before, failed])).toMatchObject({
      state: { name: 'Train' },
      error: 'States.Runtime',
      cause: 'no such path',
    });
  });

  it('is the last failure of the step that failed in the end', () => {
    expect(failureOf([...before, workerDied, workerDied, failed])).toMatchObject({
      state: { name: 'Train' },
      error: 'Runtime.ExitError',
    });
  });

  it('is the stop, where the step it was stopped in was being repeated', () => {
    expect(failureOf([...before, workerDied, stopped])).toMatchObject({
      state: { name: 'Train' },
      error: 'ExecutionAborted',
    });
  });
});
