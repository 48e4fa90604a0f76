import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { accountConcurrency } from '../../adapters/lambda-concurrency.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { PlanBatchEnvironment, PlanBatchEvent, PlanBatchResult } from './plan-batch.contract.ts';
import { planBatch } from './plan-batch.ts';

const environment = parseEnvironment(PlanBatchEnvironment, process.env);
const tableName = environment.REGISTRY_TABLE;
const place = {
  model: environment.MODEL_NAME,
  data: s3Objects({ bucket: environment.DATA_BUCKET }),
  artifacts: s3Objects({ bucket: environment.ARTIFACTS_BUCKET }),
  ledger: dynamodbLedger({ tableName }),
  registry: dynamodbRegistry({ tableName }),
  accountConcurrency,
  now: () => new Date().toISOString(),
};

export const handler = stepHandler({ event: PlanBatchEvent, result: PlanBatchResult }, (event) =>
  planBatch(place, event),
);
