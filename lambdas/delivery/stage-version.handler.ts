import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  StageVersionEnvironment,
  StageVersionEvent,
  StageVersionResult,
} from './stage-version.contract.ts';

const { MODEL_NAME: model, REGISTRY_TABLE: tableName } = parseEnvironment(
  StageVersionEnvironment,
  process.env,
);
const ledger = dynamodbLedger({ tableName });

export const handler = stepHandler(
  { event: StageVersionEvent, result: StageVersionResult },
  async ({ runId, version }) =>
    ledger.append({
      model,
      state: 'staged',
      version,
      reason: 'loaded early, before it answers',
      by: 'pipeline',
      runId,
      at: new Date().toISOString(),
    }),
);
