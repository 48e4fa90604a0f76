import { dynamodbRunLock } from '../../adapters/dynamodb-run-lock.ts';
import { awaitQuiet } from '../../core/training/run-control.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  AwaitQuietEnvironment,
  AwaitQuietEvent,
  AwaitQuietResult,
} from './await-quiet.contract.ts';
import { now } from './connect-run-control.ts';

const { MODEL_NAME: model, REGISTRY_TABLE: tableName } = parseEnvironment(
  AwaitQuietEnvironment,
  process.env,
);
const locks = dynamodbRunLock({ tableName });

export const handler = stepHandler(
  { event: AwaitQuietEvent, result: AwaitQuietResult },
  async ({ runId }) => ({ settled: await awaitQuiet({ model, locks, now }, runId) }),
);
