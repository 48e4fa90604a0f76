import * as z from 'zod';
import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  EvaluateCandidateEnvironment,
  EvaluateCandidateEvent,
  EvaluateCandidateResult,
} from './evaluate-candidate.contract.ts';
import { evaluateCandidate } from './evaluate-candidate.ts';
import { EvaluateImportEvent } from './evaluate-import.contract.ts';
import { evaluateImport } from './evaluate-import.ts';

const environment = parseEnvironment(EvaluateCandidateEnvironment, process.env);
const table = { tableName: environment.REGISTRY_TABLE };
const place = {
  definition: loadModelDefinition(environment.LAMBDA_TASK_ROOT),
  data: s3Objects({ bucket: environment.DATA_BUCKET }),
  artifacts: s3Objects({ bucket: environment.ARTIFACTS_BUCKET }),
  registry: dynamodbRegistry(table),
  ledger: dynamodbLedger(table),
  trainerSha256: environment.TRAINER_SHA256,
  trainingImage: environment.TRAINING_IMAGE,
};

export const handler = stepHandler(
  {
    event: z.union([EvaluateImportEvent, EvaluateCandidateEvent]),
    result: EvaluateCandidateResult,
  },
  (event) => ('importId' in event ? evaluateImport(place, event) : evaluateCandidate(place, event)),
);
