import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  ValidateSnapshotEnvironment,
  ValidateSnapshotEvent,
  ValidateSnapshotResult,
} from './validate-snapshot.contract.ts';
import { validateSnapshot } from './validate-snapshot.ts';

const environment = parseEnvironment(ValidateSnapshotEnvironment, process.env);
const definition = loadModelDefinition(environment.LAMBDA_TASK_ROOT);
const data = s3Objects({ bucket: environment.DATA_BUCKET });

export const handler = stepHandler(
  { event: ValidateSnapshotEvent, result: ValidateSnapshotResult },
  ({ manifestKey }) => validateSnapshot(data, definition, manifestKey),
);
