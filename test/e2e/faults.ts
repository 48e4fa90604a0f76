// Faults from outside: killed and frozen processes, stopped executions.
import { execFileSync } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetFunctionConfigurationCommand, LambdaClient } from '@aws-sdk/client-lambda';
import {
  DescribeExecutionCommand,
  DescribeStateMachineCommand,
  type HistoryEvent,
  paginateGetExecutionHistory,
  paginateListExecutions,
  SFNClient,
  StopExecutionCommand,
} from '@aws-sdk/client-sfn';
import { type Laptop, until } from './laptop.ts';

/** A state of the machine that a Lambda function does, with what tells its worker and its calls. */
export interface FunctionState {
  readonly state: string;
  readonly functionName: string;
  readonly roleArn: string;
}

interface Worker {
  readonly function: string;
  readonly pid: number;
  readonly busy: boolean;
}

export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}

/** The last state that was entered, when an event is the failure of a worker that was killed. */
function killedStates(events: readonly HistoryEvent[]): string[] {
  const killed: string[] = [];
  let state = '';
  for (const event of events) {
    state = event.stateEnteredEventDetails?.name ?? state;
    const failure = event.lambdaFunctionFailedEventDetails ?? event.taskFailedEventDetails;
    if (failure?.error === 'Runtime.ExitError') killed.push(state);
  }
  return killed;
}

export type Faults = ReturnType<typeof openFaults>;

export function openFaults({ endpoint, folder }: Laptop, stateMachineArn: string) {
  const sfn = new SFNClient({});
  const lambda = new LambdaClient({});
  const door = async <T>(path: string, request: RequestInit = {}): Promise<T> => {
    const reply = await fetch(`${endpoint}/_laptop/${path}`, request);
    if (!reply.ok) throw new Error(`/_laptop/${path}: ${await reply.text()}`);
    return (await reply.json()) as T;
  };
  const executionArn = (runId: string) =>
    `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${runId}`;
  const workers = () => door<Worker[]>('lambda');

  const history = async (runId: string): Promise<HistoryEvent[]> => {
    const events: HistoryEvent[] = [];
    const pages = paginateGetExecutionHistory(
      { client: sfn },
      { executionArn: executionArn(runId), maxResults: 1_000 },
    );
    for await (const page of pages) events.push(...(page.events ?? []));
    return events;
  };
  const status = async (runId: string): Promise<string | undefined> => {
    const command = new DescribeExecutionCommand({ executionArn: executionArn(runId) });
    try {
      return (await sfn.send(command)).status;
    } catch (error) {
      if (error instanceof Error && error.name === 'ExecutionDoesNotExist') return undefined;
      throw error;
    }
  };

  /** Calls to AWS of each role, by ARN. */
  const calls = async (): Promise<Map<string, number>> => {
    const counts = new Map<string, number>();
    const all = await door<{ principal: string | null; count: number }[]>('calls');
    for (const { principal, count } of all) {
      counts.set(principal ?? '', (counts.get(principal ?? '') ?? 0) + count);
    }
    return counts;
  };

  return {
    history,
    status,
    calls,
    forgetCalls: () => door('calls', { method: 'DELETE' }),

    /** Every Task state of the deployed machine; for those that are functions, which one. */
    async taskStates(): Promise<{ names: string[]; functions: FunctionState[] }> {
      const { definition = '{}' } = await sfn.send(
        new DescribeStateMachineCommand({ stateMachineArn }),
      );
      const states: [string, { Type: string; Resource?: string }][] = Object.entries(
        JSON.parse(definition).States,
      );
      const tasks = states.filter(([, { Type }]) => Type === 'Task');
      const functions: FunctionState[] = [];
      for (const [state, { Resource = '' }] of tasks) {
        const functionName = /:function:(.+)$/.exec(Resource)?.[1];
        if (functionName === undefined) continue;
        const { Role = '' } = await lambda.send(
          new GetFunctionConfigurationCommand({ FunctionName: functionName }),
        );
        functions.push({ state, functionName, roleArn: Role });
      }
      return { names: tasks.map(([name]) => name), functions };
    },

    /** Names of all executions there ever were. */
    async executions(): Promise<string[]> {
      const names: string[] = [];
      const pages = paginateListExecutions({ client: sfn }, { stateMachineArn });
      for await (const { executions = [] } of pages) {
        names.push(...executions.flatMap(({ name }) => name ?? []));
      }
      return names;
    },

    /** Resolves with the execution's last status. */
    ended: (runId: string): Promise<string> =>
      until(async () => {
        const now = await status(runId);
        return now === 'RUNNING' ? undefined : now;
      }, 200),

    /** Resolves with true once a state was entered, with false when the execution ended without it. */
    entered: (runId: string, state: string): Promise<boolean> =>
      until(async () => {
        const now = await status(runId);
        if (now === undefined) return undefined;
        const entered = (await history(runId)).some(
          ({ stateEnteredEventDetails }) => stateEnteredEventDetails?.name === state,
        );
        return entered || now !== 'RUNNING' ? entered : undefined;
      }, 10),

    /** States of a run whose worker was killed at work. */
    killedStates: async (runId: string): Promise<string[]> => killedStates(await history(runId)),

    /** The state that a run was in when it was stopped. */
    stoppedIn: async (runId: string): Promise<string | undefined> => {
      const events = await history(runId);
      const last = events.findLast((event) => event.stateEnteredEventDetails);
      const exited = events.some(
        ({ stateExitedEventDetails: exit, id = 0 }) =>
          exit?.name === last?.stateEnteredEventDetails?.name && id > (last?.id ?? 0),
      );
      return exited ? undefined : last?.stateEnteredEventDetails?.name;
    },

    stop: (runId: string) =>
      sfn.send(new StopExecutionCommand({ executionArn: executionArn(runId) })),

    /** Holds the idle workers of a function where they are; the answer lets them go on. */
    async freeze(functionName: string): Promise<() => void> {
      const idle = (await workers()).filter((worker) => worker.function === functionName);
      for (const { pid } of idle) signal(pid, 'SIGSTOP');
      return () => {
        for (const { pid } of idle) signal(pid, 'SIGCONT');
      };
    },

    /**
     * Kills one worker of each function at work, once that many calls of the function's role were seen,
     * until `over` says so.
     */
    async killOnce(
      functions: readonly FunctionState[],
      afterCalls: ReadonlyMap<string, number>,
      over: () => boolean,
    ): Promise<void> {
      const waiting = new Map(functions.map((each) => [each.functionName, each]));
      while (!over() && waiting.size > 0) {
        const [all, counts] = await Promise.all([workers(), calls()]);
        const due = all.find(({ function: name, busy }) => {
          const target = waiting.get(name);
          return busy && target && (counts.get(target.roleArn) ?? 0) >= (afterCalls.get(name) ?? 0);
        });
        if (due) {
          signal(due.pid, 'SIGKILL');
          waiting.delete(due.function);
          // Those that were frozen beside it are to do the work now.
          for (const { function: name, pid } of all)
            if (name === due.function) signal(pid, 'SIGCONT');
        }
        await sleep(1);
      }
    },

    /** Ids of the trainers' processes. */
    trainers(): number[] {
      const lines = execFileSync('ps', ['-A', '-o', 'pid=,command='], { encoding: 'utf8' });
      return lines.split('\n').flatMap((line) => {
        const pid = Number(/^\s*(\d+) /.exec(line)?.[1] ?? 0);
        return pid > 0 && line.includes(`${folder}/`) && /\.zip train$/.test(line) ? [pid] : [];
      });
    },

    /** Takes the next spot instance away once, after a checkpoint. */
    interruptSpot: (trainingJobNamePrefix: string) =>
      door('spot-interruptions', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({
          trainingJobNamePrefix,
          afterCheckpoints: 1,
          checkpointKeyPattern: 'manifest\\.json$',
          times: 1,
        }),
      }),
  };
}
