import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { stageVersion } from './deliver-version.ts';
import {
  StageVersionEnvironment,
  StageVersionEvent,
  StageVersionResult,
} from './stage-version.contract.ts';

const {
  APPROVAL: approval,
  MODEL_NAME: model,
  REGISTRY_TABLE: tableName,
} = parseEnvironment(StageVersionEnvironment, process.env);
const ledger = dynamodbLedger({ tableName });

export const handler = stepHandler(
  { event: StageVersionEvent, result: StageVersionResult },
  (event) => stageVersion(ledger, approval, { model, ...event }),
);
