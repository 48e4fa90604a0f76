import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { connectRetraining } from './connect-run-control.ts';
import { retirementOf } from './refuse-retired.ts';
import {
  RequestRunEnvironment,
  RequestRunEvent,
  RequestRunResult,
} from './request-run.contract.ts';
import { takeRequest } from './request-run.ts';

const environment = parseEnvironment(RequestRunEnvironment, process.env);
const retraining = connectRetraining(environment);
const ledger = dynamodbLedger({ tableName: environment.REGISTRY_TABLE });

export const handler = stepHandler(
  { event: RequestRunEvent, result: RequestRunResult },
  async (event) => {
    const retired = await retirementOf(ledger, retraining.control.model);
    if (retired !== undefined) return { outcome: 'retired' as const, reasons: [retired] };
    return takeRequest(retraining, environment.QUIET_PERIOD_SECONDS, event);
  },
);
