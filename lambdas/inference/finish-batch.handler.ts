import { s3Objects } from '../../adapters/s3-objects.ts';
import { snsNotifications } from '../../adapters/sns-notifications.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  FinishBatchEnvironment,
  FinishBatchEvent,
  FinishBatchResult,
} from './finish-batch.contract.ts';
import { finishBatch } from './finish-batch.ts';

const environment = parseEnvironment(FinishBatchEnvironment, process.env);
const place = {
  model: environment.MODEL_NAME,
  data: s3Objects({ bucket: environment.DATA_BUCKET }),
  notifications: snsNotifications({
    newsTopicArn: environment.NEWS_TOPIC_ARN,
    pagesTopicArn: environment.PAGES_TOPIC_ARN,
    owner: environment.MODEL_OWNER,
  }),
  now: () => new Date(),
};

export const handler = stepHandler(
  { event: FinishBatchEvent, result: FinishBatchResult },
  (event) => finishBatch(place, event),
);
