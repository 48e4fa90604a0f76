import {
  DescribeExecutionCommand,
  ExecutionDoesNotExist,
  type HistoryEvent,
  paginateGetExecutionHistory,
  SFNClient,
} from '@aws-sdk/client-sfn';

/** A state that a run entered. */
export interface EnteredState {
  readonly name: string;
  /** Task, Wait, Choice, Succeed … */
  readonly type: string;
  readonly enteredAt: Date;
  readonly leftAt?: Date | undefined;
  /** The state's own input, as JSON. */
  readonly input: string;
}

export interface ExecutionFailure {
  readonly state?: EnteredState | undefined;
  readonly error: string;
  readonly cause: string;
}

const enteredType = /^(.+)StateEntered$/;
const detailOf = (event: HistoryEvent) =>
  event.taskFailedEventDetails ??
  event.lambdaFunctionFailedEventDetails ??
  event.taskTimedOutEventDetails ??
  event.lambdaFunctionTimedOutEventDetails ??
  event.taskSubmitFailedEventDetails ??
  event.taskStartFailedEventDetails ??
  event.executionFailedEventDetails ??
  event.executionTimedOutEventDetails ??
  event.executionAbortedEventDetails;

/** The states of a history in the order in which they were entered; a state may be entered again. */
export function enteredStates(events: readonly HistoryEvent[]): EnteredState[] {
  const states: { -readonly [key in keyof EnteredState]: EnteredState[key] }[] = [];
  for (const event of events) {
    const type = enteredType.exec(event.type ?? '')?.[1];
    if (type !== undefined && event.stateEnteredEventDetails) {
      states.push({
        name: event.stateEnteredEventDetails.name ?? '?',
        type,
        enteredAt: event.timestamp ?? new Date(0),
        input: event.stateEnteredEventDetails.input ?? '{}',
      });
    }
    const left = event.stateExitedEventDetails?.name;
    const state = states.findLast(({ name, leftAt }) => name === left && leftAt === undefined);
    if (state) state.leftAt = event.timestamp;
  }
  return states;
}

/**
 * What made an execution fail: the last failure of the state it was in, else the execution's own. A
 * failure that was retried with success, or before somebody stopped the execution, is not it.
 */
export function failureOf(events: readonly HistoryEvent[]): ExecutionFailure | undefined {
  const failing = events.filter((event) => detailOf(event) !== undefined);
  const end = failing.findLast(({ type }) => type?.startsWith('Execution'));
  if (!end) return undefined;
  const entered = events.findLastIndex((event) => event.stateEnteredEventDetails !== undefined);
  const ofTheState =
    end.type === 'ExecutionFailed'
      ? events
          .slice(entered + 1, events.indexOf(end))
          .findLast((event) => detailOf(event) !== undefined)
      : undefined;
  const details = detailOf(ofTheState ?? end);
  return {
    state: enteredStates(events).at(-1),
    error: details?.error ?? end.type ?? 'Failed',
    cause: details?.cause ?? '',
  };
}

/** Seconds spent in each state, all its visits together, in the order of the first visit. */
export function secondsPerState(states: readonly EnteredState[]): Map<string, number> {
  const spent = new Map<string, number>();
  for (const { name, type, enteredAt, leftAt } of states) {
    if ((type !== 'Task' && type !== 'Wait') || leftAt === undefined) continue;
    const ms = leftAt.getTime() - enteredAt.getTime();
    spent.set(name, (spent.get(name) ?? 0) + ms / 1_000);
  }
  return spent;
}

export const executionArnOf = (stateMachineArn: string, runId: string): string =>
  `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${runId}`;

export interface ExecutionReader {
  /** All events so far, oldest first; none where the execution does not exist. */
  history(): Promise<HistoryEvent[]>;
  /** Undefined where the execution does not exist (yet). */
  status(): Promise<string | undefined>;
}

async function unlessMissing<T>(read: () => Promise<T>, otherwise: T): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (error instanceof ExecutionDoesNotExist) return otherwise;
    throw error;
  }
}

export function readExecution(executionArn: string, client = new SFNClient()): ExecutionReader {
  return {
    history: () =>
      unlessMissing(async () => {
        const events: HistoryEvent[] = [];
        const pages = paginateGetExecutionHistory(
          { client },
          { executionArn, includeExecutionData: true, maxResults: 1_000 },
        );
        for await (const page of pages) events.push(...(page.events ?? []));
        return events;
      }, []),
    status: () =>
      unlessMissing(
        async () => (await client.send(new DescribeExecutionCommand({ executionArn }))).status,
        undefined,
      ),
  };
}
