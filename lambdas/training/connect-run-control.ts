import { randomUUID } from 'node:crypto';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbRunLock } from '../../adapters/dynamodb-run-lock.ts';
import { stepfunctionsExecutions } from '../../adapters/stepfunctions-executions.ts';
import type { RunControl } from '../../core/training/run-control.ts';
import { runName } from '../../core/training/run-lock.ts';

export const now = (): string => new Date().toISOString();

export const newRunId = (model: string): string =>
  runName(model, now(), randomUUID().replaceAll('-', ''));

/** What starts and ends the runs of the model that a function is deployed for. */
export const connectRunControl = (environment: {
  readonly REGISTRY_TABLE: string;
  readonly STATE_MACHINE_ARN: string;
  readonly MODEL_NAME: string;
}): RunControl => ({
  model: environment.MODEL_NAME,
  locks: dynamodbRunLock({ tableName: environment.REGISTRY_TABLE }),
  executions: stepfunctionsExecutions({ stateMachineArn: environment.STATE_MACHINE_ARN }),
  runs: dynamodbRegistry({ tableName: environment.REGISTRY_TABLE }),
  now,
});
