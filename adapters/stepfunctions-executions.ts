import {
  DescribeExecutionCommand,
  ExecutionAlreadyExists,
  ExecutionDoesNotExist,
  SFNClient,
  StartExecutionCommand,
} from '@aws-sdk/client-sfn';
import type { Run } from '../core/registry/records.ts';
import type { Executions } from '../core/training/run-control.ts';

export interface ExecutionsOptions {
  readonly stateMachineArn: string;
  readonly client?: SFNClient;
}

/** The executions of one state machine. Rejects with the SDK's errors. */
export function stepfunctionsExecutions({
  stateMachineArn,
  client = new SFNClient(),
}: ExecutionsOptions): Executions {
  const arnOf = (name: string) =>
    `${stateMachineArn.replace(':stateMachine:', ':execution:')}:${name}`;
  return {
    arnOf,

    async start(name, input) {
      try {
        await client.send(
          new StartExecutionCommand({ stateMachineArn, name, input: JSON.stringify(input) }),
        );
      } catch (error) {
        if (!(error instanceof ExecutionAlreadyExists)) throw error;
      }
    },

    async find(name) {
      try {
        const { executionArn, status, error, cause } = await client.send(
          new DescribeExecutionCommand({ executionArn: arnOf(name) }),
        );
        return {
          executionArn: executionArn ?? arnOf(name),
          status: runStatus(status),
          error,
          cause,
        };
      } catch (error) {
        if (error instanceof ExecutionDoesNotExist) return undefined;
        throw error;
      }
    },
  };
}

/** An execution that waits to be redriven is over as far as a run is concerned. */
function runStatus(status: string | undefined): Run['status'] {
  if (status === 'SUCCEEDED' || status === 'FAILED' || status === 'TIMED_OUT') return status;
  return status === 'ABORTED' ? 'ABORTED' : 'RUNNING';
}
