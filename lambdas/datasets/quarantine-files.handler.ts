import { s3Objects } from '../../adapters/s3-objects.ts';
import { snsNotifications } from '../../adapters/sns-notifications.ts';
import { parseEnvironment } from '../runtime/environment.ts';
import { stepHandler } from '../runtime/step-handler.ts';
import {
  QuarantineFilesEnvironment,
  QuarantineFilesEvent,
  QuarantineFilesResult,
} from './quarantine-files.contract.ts';
import { quarantineFiles } from './quarantine-files.ts';

const environment = parseEnvironment(QuarantineFilesEnvironment, process.env);
const deps = {
  data: s3Objects({ bucket: environment.DATA_BUCKET }),
  notifications: snsNotifications({
    newsTopicArn: environment.NEWS_TOPIC_ARN,
    pagesTopicArn: environment.PAGES_TOPIC_ARN,
    owner: environment.MODEL_OWNER,
  }),
};

export const handler = stepHandler(
  { event: QuarantineFilesEvent, result: QuarantineFilesResult },
  (event) => quarantineFiles(deps, event),
);
