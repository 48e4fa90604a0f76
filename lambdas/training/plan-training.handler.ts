import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  PlanTrainingEnvironment,
  PlanTrainingEvent,
  PlanTrainingResult,
} from './plan-training.contract.ts';
import { decideTraining } from './plan-training.ts';

const environment = parseEnvironment(PlanTrainingEnvironment, process.env);
const definition = loadModelDefinition(environment.LAMBDA_TASK_ROOT);
const table = { tableName: environment.REGISTRY_TABLE };
const records = { registry: dynamodbRegistry(table), ledger: dynamodbLedger(table) };

export const handler = stepHandler(
  { event: PlanTrainingEvent, result: PlanTrainingResult },
  ({ runId, contentHash }) =>
    decideTraining(records, {
      definition,
      runId,
      contentHash,
      trainerSha256: environment.TRAINER_SHA256,
      trainingImage: environment.TRAINING_IMAGE,
      trainingDevice: environment.TRAINING_DEVICE,
      artifactsBucket: environment.ARTIFACTS_BUCKET,
    }),
);
