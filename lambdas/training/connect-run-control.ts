import { randomUUID } from 'node:crypto';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbRetrainingState } from '../../adapters/dynamodb-retraining-state.ts';
import { dynamodbRunLock } from '../../adapters/dynamodb-run-lock.ts';
import {
  type DynamodbVersionHealth,
  dynamodbVersionHealth,
} from '../../adapters/dynamodb-version-health.ts';
import { sagemakerTrainingJobs } from '../../adapters/sagemaker-training-jobs.ts';
import { type Notifications, snsNotifications } from '../../adapters/sns-notifications.ts';
import { stepfunctionsExecutions } from '../../adapters/stepfunctions-executions.ts';
import { lastingAlarms } from '../../core/delivery/version-health.ts';
import type { ModelDefinition } from '../../core/model/define-model.ts';
import { RunNotFoundError } from '../../core/registry/errors.ts';
import type { Run } from '../../core/registry/records.ts';
import { pricePerHourUsd } from '../../core/training/instance-prices.ts';
import { closeRun, type RetrainingControl } from '../../core/training/retraining-control.ts';
import type { LiveVersion } from '../../core/training/retraining-events.ts';
import { retrainingPolicy } from '../../core/training/retraining-policy.ts';
import type { RunControl } from '../../core/training/run-control.ts';
import { runName } from '../../core/training/run-lock.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';

export const now = (): string => new Date().toISOString();

export const newRunId = (model: string): string =>
  runName(model, now(), randomUUID().replaceAll('-', ''));

type Records = Pick<ReturnType<typeof dynamodbRegistry>, 'getVersion' | 'getRun'>;

/** The version of a model that answers, as the policy knows it. */
export async function liveVersion(
  registry: Pick<Records, 'getVersion'>,
  ledger: Pick<ReturnType<typeof dynamodbLedger>, 'head'>,
  model: string,
): Promise<LiveVersion | undefined> {
  const { live } = await ledger.head(model);
  return live === undefined ? undefined : registry.getVersion(model, live);
}

async function findRun(registry: Records, model: string, runId: string): Promise<Run | undefined> {
  try {
    return await registry.getRun(model, runId);
  } catch (error) {
    if (error instanceof RunNotFoundError) return undefined;
    throw error;
  }
}

export interface RetrainingParts extends Omit<RunControl, 'model' | 'ended' | 'runs'> {
  readonly definition: ModelDefinition;
  readonly registry: ReturnType<typeof dynamodbRegistry>;
  readonly ledger: ReturnType<typeof dynamodbLedger>;
  readonly health: Pick<DynamodbVersionHealth, 'find'>;
  readonly store: RetrainingControl['store'];
  readonly jobs: RetrainingControl['jobs'];
  readonly notifications: Notifications;
}

/** The one starter of a model and its policy, from their parts. */
export function retrainingControl(parts: RetrainingParts): RetrainingControl {
  const { definition, executions, health, jobs, ledger, locks, registry, store } = parts;
  const model = definition.name;
  const ended = async (runId: string): Promise<void> => {
    const run = await findRun(registry, model, runId);
    if (run) await closeRun(retraining, run);
  };
  const retraining: RetrainingControl = {
    control: { model, locks, executions, runs: registry, now: parts.now, ended },
    store,
    policy: retrainingPolicy(definition),
    jobs,
    pricePerHourUsd: pricePerHourUsd(definition.training) ?? 0,
    live: () => liveVersion(registry, ledger, model),
    findRun: (runId) => findRun(registry, model, runId),
    lastingAlarms: async (version) => lastingAlarms(await health.find(model, version)),
    tellRefused: (wanted, reasons) =>
      parts.notifications.publish({
        model,
        severity: 'page',
        kind: 'training-refused',
        subject: `${model}: a training is wanted and does not begin`,
        text: [
          `${model} is to be trained again: ${wanted.join('; ')}. It does not begin:`,
          ...reasons.map((reason) => `- ${reason}`),
          `\`slipway status ${model}\` shows it; \`slipway train ${model}\` waits neither for labels nor for a cooldown.`,
        ].join('\n'),
      }),
  };
  return retraining;
}

/** What starts and ends the runs of the model that a function is deployed for. */
export function connectRetraining(environment: {
  readonly REGISTRY_TABLE: string;
  readonly STATE_MACHINE_ARN: string;
  readonly LAMBDA_TASK_ROOT: string;
  readonly NEWS_TOPIC_ARN: string;
  readonly PAGES_TOPIC_ARN: string;
  readonly MODEL_OWNER: string;
}): RetrainingControl {
  const table = { tableName: environment.REGISTRY_TABLE };
  return retrainingControl({
    definition: loadModelDefinition(environment.LAMBDA_TASK_ROOT),
    locks: dynamodbRunLock(table),
    executions: stepfunctionsExecutions({ stateMachineArn: environment.STATE_MACHINE_ARN }),
    registry: dynamodbRegistry(table),
    ledger: dynamodbLedger(table),
    health: dynamodbVersionHealth(table),
    store: dynamodbRetrainingState(table),
    jobs: sagemakerTrainingJobs(),
    notifications: snsNotifications({
      newsTopicArn: environment.NEWS_TOPIC_ARN,
      pagesTopicArn: environment.PAGES_TOPIC_ARN,
      owner: environment.MODEL_OWNER,
    }),
    now,
  });
}
