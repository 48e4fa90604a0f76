import * as z from 'zod';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbVersionHealth } from '../../adapters/dynamodb-version-health.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { RegisterImportEvent } from './register-import.contract.ts';
import { registerImport } from './register-import.ts';
import {
  RegisterVersionEnvironment,
  RegisterVersionEvent,
  RegisterVersionResult,
} from './register-version.contract.ts';
import { registerVersion } from './register-version.ts';

const environment = parseEnvironment(RegisterVersionEnvironment, process.env);
const place = {
  definition: loadModelDefinition(environment.LAMBDA_TASK_ROOT),
  data: s3Objects({ bucket: environment.DATA_BUCKET }),
  artifacts: s3Objects({ bucket: environment.ARTIFACTS_BUCKET }),
  registry: dynamodbRegistry({ tableName: environment.REGISTRY_TABLE }),
  health: dynamodbVersionHealth({ tableName: environment.REGISTRY_TABLE }),
  trainerSha256: environment.TRAINER_SHA256,
  trainingImage: environment.TRAINING_IMAGE,
  now: () => new Date().toISOString(),
};

export const handler = stepHandler(
  { event: z.union([RegisterImportEvent, RegisterVersionEvent]), result: RegisterVersionResult },
  async (event) => ({
    version:
      'import' in event ? await registerImport(place, event) : await registerVersion(place, event),
  }),
);
