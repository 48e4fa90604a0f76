import { dynamodbLedger } from '../../adapters/dynamodb-ledger.ts';
import { dynamodbRegistry } from '../../adapters/dynamodb-registry.ts';
import { dynamodbVersionHealth } from '../../adapters/dynamodb-version-health.ts';
import { s3Objects } from '../../adapters/s3-objects.ts';
import { sagemakerEndpoints } from '../../adapters/sagemaker-endpoints.ts';
import { snsNotifications } from '../../adapters/sns-notifications.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import { connectRetraining } from './connect-run-control.ts';
import { FinishRunEnvironment, FinishRunEvent, FinishRunResult } from './finish-run.contract.ts';
import { finishRun } from './finish-run.ts';

const environment = parseEnvironment(FinishRunEnvironment, process.env);
const { control, store } = connectRetraining(environment);
const parts = {
  control,
  store,
  ledger: dynamodbLedger({ tableName: environment.REGISTRY_TABLE }),
  endpoints: sagemakerEndpoints(),
  registry: dynamodbRegistry({ tableName: environment.REGISTRY_TABLE }),
  health: dynamodbVersionHealth({ tableName: environment.REGISTRY_TABLE }),
  data: s3Objects({ bucket: environment.DATA_BUCKET }),
  artifacts: s3Objects({ bucket: environment.ARTIFACTS_BUCKET }),
  notifications: snsNotifications({
    newsTopicArn: environment.NEWS_TOPIC_ARN,
    pagesTopicArn: environment.PAGES_TOPIC_ARN,
    owner: environment.MODEL_OWNER,
  }),
};

export const handler = stepHandler({ event: FinishRunEvent, result: FinishRunResult }, (event) =>
  finishRun(parts, event),
);
