import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  TakeSnapshotEnvironment,
  TakeSnapshotEvent,
  TakeSnapshotResult,
} from './take-snapshot.contract.ts';
import { takeSnapshot } from './take-snapshot.ts';

const environment = parseEnvironment(TakeSnapshotEnvironment, process.env);
const definition = loadModelDefinition(environment.LAMBDA_TASK_ROOT);
const deps = {
  data: s3Objects({ bucket: environment.DATA_BUCKET }),
  registry: dynamodbRegistry({ tableName: environment.REGISTRY_TABLE }),
};

export const handler = stepHandler({ event: TakeSnapshotEvent, result: TakeSnapshotResult }, () =>
  takeSnapshot(deps, definition),
);
