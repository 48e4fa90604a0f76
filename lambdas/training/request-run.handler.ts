import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { importRefusal } from '../../core/registry/declared-lineage.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { loadModelDefinition } from '../runtime/model-definition.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { connectRetraining } from './connect-run-control.ts';
import { retirementOf } from './refuse-retired.ts';
import { takeImport } from './request-import.ts';
import {
  RequestRunEnvironment,
  RequestRunEvent,
  RequestRunResult,
} from './request-run.contract.ts';
import { takeRequest } from './request-run.ts';

const environment = parseEnvironment(RequestRunEnvironment, process.env);
const retraining = connectRetraining(environment);
const ledger = dynamodbLedger({ tableName: environment.REGISTRY_TABLE });
const definition = loadModelDefinition(environment.LAMBDA_TASK_ROOT);
const refusal = importRefusal(environment.ENVIRONMENT_NAME, environment.LINEAGE_POLICY);

export const handler = stepHandler(
  { event: RequestRunEvent, result: RequestRunResult },
  async (event) => {
    const retired = await retirementOf(ledger, retraining.control.model);
    if (retired !== undefined) return { outcome: 'retired' as const, reasons: [retired] };
    if (event.kind === 'retry' && 'import' in event.input && refusal !== undefined) {
      return { outcome: 'refused' as const, reasons: [refusal] };
    }
    if (event.kind === 'import')
      return takeImport(retraining, { definition, refusal }, event.import);
    return takeRequest(retraining, environment.QUIET_PERIOD_SECONDS, event);
  },
);
