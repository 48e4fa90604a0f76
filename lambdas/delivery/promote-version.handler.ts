import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { promoteVersion } from './deliver-version.ts';
import {
  PromoteVersionEnvironment,
  PromoteVersionEvent,
  PromoteVersionResult,
} from './promote-version.contract.ts';

const { MODEL_NAME: model, REGISTRY_TABLE: tableName } = parseEnvironment(
  PromoteVersionEnvironment,
  process.env,
);
const ledger = dynamodbLedger({ tableName });

export const handler = stepHandler(
  { event: PromoteVersionEvent, result: PromoteVersionResult },
  (event) => promoteVersion(ledger, { model, ...event }),
);
