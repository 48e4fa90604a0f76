import * as z from 'zod';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbRetrainingState } from '../../adapters/dynamodb-retraining-state.ts';
import { dynamodbRunLock } from '../../adapters/dynamodb-run-lock.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { now } from './connect-run-control.ts';
import { PlanImportEvent } from './plan-import.contract.ts';
import { decideImport } from './plan-import.ts';
import {
  PlanTrainingEnvironment,
  PlanTrainingEvent,
  PlanTrainingResult,
} from './plan-training.contract.ts';
import { decideTraining } from './plan-training.ts';

const environment = parseEnvironment(PlanTrainingEnvironment, process.env);
const definition = loadModelDefinition(environment.LAMBDA_TASK_ROOT);
const table = { tableName: environment.REGISTRY_TABLE };
const records = {
  registry: dynamodbRegistry(table),
  ledger: dynamodbLedger(table),
  store: dynamodbRetrainingState(table),
  locks: dynamodbRunLock(table),
  now,
};

const computed = {
  definition,
  trainerSha256: environment.TRAINER_SHA256,
  trainingImage: environment.TRAINING_IMAGE,
  artifactsBucket: environment.ARTIFACTS_BUCKET,
};

export const handler = stepHandler(
  { event: z.union([PlanImportEvent, PlanTrainingEvent]), result: PlanTrainingResult },
  (event) =>
    'import' in event
      ? decideImport(records, { ...computed, runId: event.runId, file: event.import })
      : decideTraining(records, {
          ...computed,
          ...event,
          trainingDevice: environment.TRAINING_DEVICE,
        }),
);
