import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
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
  async ({ runId, version }) =>
    ledger.append({
      model,
      state: 'live',
      version,
      reason: 'passed its gate',
      by: 'pipeline',
      runId,
      at: new Date().toISOString(),
    }),
);
