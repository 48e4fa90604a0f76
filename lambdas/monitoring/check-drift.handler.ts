import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbRetrainingState } from '../../adapters/dynamodb-retraining-state.ts';
import { dynamodbVersionHealth } from '../../adapters/dynamodb-version-health.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  CheckDriftEnvironment,
  CheckDriftEvent,
  CheckDriftResult,
} from './check-drift.contract.ts';
import { checkDrift } from './check-drift.ts';

const environment = parseEnvironment(CheckDriftEnvironment, process.env);
const tableName = environment.REGISTRY_TABLE;
const place = {
  definition: loadModelDefinition(environment.LAMBDA_TASK_ROOT),
  data: s3Objects({ bucket: environment.DATA_BUCKET }),
  artifacts: s3Objects({ bucket: environment.ARTIFACTS_BUCKET }),
  registry: dynamodbRegistry({ tableName }),
  ledger: dynamodbLedger({ tableName }),
  health: dynamodbVersionHealth({ tableName }),
  retraining: dynamodbRetrainingState({ tableName }),
};

export const handler = stepHandler(
  { event: CheckDriftEvent, result: CheckDriftResult },
  ({ time }) => checkDrift(place, new Date(time)),
);
